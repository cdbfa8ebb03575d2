//! A client of the official Rust SDK (rmcp) for the matrix; a fourth argument names the era: handshake (default) or auto.
use std::{env, future::Future, time::Duration};

use anyhow::{Context, Result, anyhow};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient,
    model::*,
    service::{NotificationContext, PeerRequestOptions, RequestContext},
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, mpsc};

struct Matrix {
    progressed: mpsc::UnboundedSender<i64>,
    updated: mpsc::UnboundedSender<String>,
}

impl ClientHandler for Matrix {
    async fn create_elicitation(
        &self,
        _request: ElicitRequestParams,
        _context: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({ "name": "me" })))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        let _ = self.progressed.send(params.progress as i64);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let _ = self.updated.send(params.uri.to_string());
    }

    fn get_info(&self) -> ClientInfo {
        let capabilities: ClientCapabilities =
            serde_json::from_value(json!({ "elicitation": {} })).expect("capabilities");
        ClientInfo::new(capabilities, Implementation::new("matrix", "1"))
    }
}

async fn step<T: Into<Value>>(told: &mut Map<String, Value>, name: &str, asked: impl Future<Output = Result<T>>) {
    let skipped = std::env::var("MATRIX_SKIP").unwrap_or_default();
    if skipped.split(',').any(|one| one == name) {
        return;
    }
    let said = match tokio::time::timeout(Duration::from_secs(30), asked).await {
        Err(_) => json!("error: no answer"),
        Ok(Err(error)) => json!(format!("error: {error:#}")),
        Ok(Ok(value)) => value.into(),
    };
    told.insert(name.into(), said);
}

fn text(result: &CallToolResult) -> Result<String> {
    let value = serde_json::to_value(result)?;
    Ok(value["content"][0]["text"].as_str().context("no text")?.to_string())
}

fn params(name: String, args: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(args.as_object().cloned().unwrap_or_default())
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().collect();
    let place: Value = serde_json::from_str(&args[1])?;
    let (prefix, service) = (args[2].clone(), args[3].clone());
    let auto = args.get(4).is_some_and(|era| era == "auto");
    let public = format!("doc://{service}/public");
    let (progressed, seen) = mpsc::unbounded_channel();
    let (updated, updates) = mpsc::unbounded_channel();
    let (seen, updates) = (Mutex::new(seen), Mutex::new(updates));
    let handler = Matrix { progressed, updated };
    let lifecycle = if auto {
        ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None }
    } else {
        ClientLifecycleMode::Initialize
    };
    let client = if let Some(url) = place["url"].as_str() {
        handler.serve_with_lifecycle(StreamableHttpClientTransport::from_uri(url), lifecycle).await?
    } else {
        let mut command = tokio::process::Command::new(place["command"].as_str().context("nowhere to go")?);
        command.args(place["args"].as_array().context("args")?.iter().filter_map(Value::as_str));
        handler.serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle).await?
    };
    let call = |name: &str, args: Value| {
        let asked = client.call_tool(params(format!("{prefix}{name}"), args));
        async move { text(&asked.await?) }
    };
    let own = |name: &String| name.starts_with(&prefix);
    let mut told = Map::new();
    step(&mut told, "tools", async {
        Ok(client.list_all_tools().await?.into_iter().map(|tool| tool.name.to_string()).filter(own).collect::<Vec<_>>())
    })
    .await;
    step(&mut told, "prompts", async {
        let names = client.list_all_prompts().await?.into_iter().map(|prompt| prompt.name.to_string());
        Ok(names.filter(own).collect::<Vec<_>>())
    })
    .await;
    step(&mut told, "resources", async {
        let all = serde_json::to_value(client.list_all_resources().await?)?;
        let uris = all.as_array().context("list")?.iter().filter_map(|one| one["uri"].as_str());
        Ok(uris.filter(|uri| uri.contains(&format!("://{service}/"))).map(String::from).collect::<Vec<_>>())
    })
    .await;
    step(&mut told, "call", call("search", json!({ "text": "abc" }))).await;
    step(&mut told, "refusal", async {
        Ok(match call("delete_all", json!({})).await {
            Ok(said) => said,
            Err(error) => format!("{error:#}"),
        })
    })
    .await;
    step(&mut told, "progress", async {
        let said = call("count", json!({ "to": 3 })).await?;
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(json!(seen.lock().await.recv().await.context("no progress")?));
        }
        all.push(json!(said));
        Ok(all)
    })
    .await;
    step(&mut told, "cancel", async {
        let request = ClientRequest::CallToolRequest(Request::new(params(format!("{prefix}slow"), json!({}))));
        let handle = client.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
        seen.lock().await.recv().await.context("no progress")?;
        handle.cancel(None).await?;
        Ok(true)
    })
    .await;
    step(&mut told, "elicitation", call("ask", json!({}))).await;
    step(&mut told, "subscription", async {
        if auto {
            return Err(anyhow!("not asked in this era"));
        }
        client.subscribe(SubscribeRequestParams::new(public.clone())).await?;
        call("touch", json!({})).await?;
        updates.lock().await.recv().await.context("no update")
    })
    .await;
    step(&mut told, "large", async { Ok(call("big", json!({ "bytes": 12 << 20 })).await?.len()) }).await;
    println!("{}", Value::Object(told));
    let _ = tokio::time::timeout(Duration::from_secs(5), client.cancel()).await;
    Ok(())
}
