#!/usr/bin/env bash
# What: the client of MCP's official Go SDK, which speaks revision 2026-07-28 where its server does, gives a call up by a `notifications/cancelled` without
#       the revision in `_meta`, where its requests have it. A server by mcp-go, which wants it in each message of that revision, refuses it with 400, and the client then fails
#       another call of its session, one that was never given up: "sending "notifications/cancelled": Bad Request", then "client is closing".
# Seen: github.com/modelcontextprotocol/go-sdk v1.8.0, github.com/mark3labs/mcp-go v1.2.1, Go 1.26.8, 2026-11-30.
# Why it surprises: a user who cancels one tool loses the session. The client's requests do carry the revision in `_meta`; of its notifications this one does not.
# Does: makes a Go module in a temporary folder, with the pinned modules, and runs both ends in one program over loopback. Fails where that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
go mod init finding >/dev/null 2>&1
go get github.com/modelcontextprotocol/go-sdk@v1.8.0 github.com/mark3labs/mcp-go@v1.2.1 >/dev/null 2>&1

cat >main.go <<'GO'
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	mark "github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func main() {
	made := server.NewMCPServer("s", "1", server.WithToolCapabilities(true))
	began := make(chan struct{}, 1)
	made.AddTool(mark.NewTool("slow"), func(ctx context.Context, _ mark.CallToolRequest) (*mark.CallToolResult, error) {
		began <- struct{}{}
		<-ctx.Done()
		return mark.NewToolResultText("late"), nil
	})
	made.AddTool(mark.NewTool("quick"), func(context.Context, mark.CallToolRequest) (*mark.CallToolResult, error) {
		time.Sleep(500 * time.Millisecond)
		return mark.NewToolResultText("done"), nil
	})
	handler := server.NewStreamableHTTPServer(made, server.WithDisableLocalhostProtection(true))
	told := map[string]any{"cancelled": nil}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte(`"notifications/cancelled"`)) {
			handler.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		told["cancelled"] = fmt.Sprintf("%s, _meta: %t, %d", r.Header.Get("Mcp-Protocol-Version"), bytes.Contains(body, []byte("_meta")), answer.Code)
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	client := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil)
	session, err := client.Connect(context.Background(), &mcp.StreamableClientTransport{Endpoint: web.URL}, nil)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-began
		cancel()
	}()
	_, _ = session.CallTool(ctx, &mcp.CallToolParams{Name: "slow"})
	for _, name := range []string{"first", "second"} {
		within, done := context.WithTimeout(context.Background(), 10*time.Second)
		result, err := session.CallTool(within, &mcp.CallToolParams{Name: "quick"})
		done()
		if err != nil {
			told[name] = err.Error()
		} else {
			told[name] = result.Content[0].(*mcp.TextContent).Text
		}
	}
	line, _ := json.Marshal(told)
	fmt.Println(string(line))
}
GO
go mod tidy >/dev/null 2>&1

seen=$(go run .)
echo "$seen"
expected='{"cancelled":"2026-07-28, _meta: false, 400","first":"calling \"tools/call\": sending \"notifications/cancelled\": Bad Request","second":"connection closed: calling \"tools/call\": client is closing: sending \"notifications/cancelled\": Bad Request"}'
[ "$seen" = "$expected" ] || { echo "changed; expected $expected" >&2; exit 1; }
