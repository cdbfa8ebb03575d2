// A server of the official Go SDK for the matrix. Argument: its service's name.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

func say(what map[string]any) {
	line, _ := json.Marshal(what)
	fmt.Println(string(line))
}

func text(said string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: said}}}
}

func main() {
	service := os.Args[1]
	public := "doc://" + service + "/public"
	server := mcp.NewServer(&mcp.Implementation{Name: service, Version: "1"}, &mcp.ServerOptions{
		PageSize:           2,
		SubscribeHandler:   func(context.Context, *mcp.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *mcp.UnsubscribeRequest) error { return nil },
	})
	call := func(ctx context.Context, request *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		params := request.Params
		say(map[string]any{"ran": params.Name})
		var args struct {
			Text  string `json:"text"`
			To    int    `json:"to"`
			Bytes int    `json:"bytes"`
		}
		if len(params.Arguments) > 0 {
			if err := json.Unmarshal(params.Arguments, &args); err != nil {
				return nil, err
			}
		}
		progress := func(done int, total int) {
			if token := params.GetProgressToken(); token != nil {
				_ = request.Session.NotifyProgress(ctx, &mcp.ProgressNotificationParams{
					ProgressToken: token, Progress: float64(done), Total: float64(total),
				})
			}
		}
		switch params.Name {
		case "search":
			return text(fmt.Sprintf("search:%d", len(args.Text))), nil
		case "count":
			for done := 1; done <= args.To; done++ {
				progress(done, args.To)
				time.Sleep(200 * time.Millisecond)
			}
			return text(fmt.Sprint(args.To)), nil
		case "slow":
			progress(1, 2)
			select {
			case <-ctx.Done():
				say(map[string]any{"cancelled": params.Name})
			case <-time.After(time.Minute):
			}
			return text("late"), nil
		case "ask":
			answer, answered := params.InputResponses["who"].(*mcp.ElicitResult)
			if !answered {
				asked := &mcp.ElicitParams{Message: "who?", RequestedSchema: map[string]any{
					"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}},
				}}
				return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"who": asked}}, nil
			}
			return text(fmt.Sprintf("%s %v", answer.Action, answer.Content["name"])), nil
		case "touch":
			_ = server.ResourceUpdated(ctx, &mcp.ResourceUpdatedNotificationParams{URI: public})
			return text("touched"), nil
		case "big":
			return text(strings.Repeat("x", args.Bytes)), nil
		}
		return text(params.Name), nil
	}
	object := func(properties map[string]any) map[string]any {
		return map[string]any{"type": "object", "properties": properties}
	}
	number := map[string]any{"type": "integer"}
	for name, schema := range map[string]map[string]any{
		"search":     object(map[string]any{"text": map[string]any{"type": "string"}}),
		"count":      object(map[string]any{"to": number}),
		"slow":       object(nil),
		"ask":        object(nil),
		"touch":      object(nil),
		"big":        object(map[string]any{"bytes": number}),
		"delete_all": object(nil),
	} {
		if schema["properties"] == nil || len(schema["properties"].(map[string]any)) == 0 {
			schema = map[string]any{"type": "object"}
		}
		server.AddTool(&mcp.Tool{Name: name, Description: name, InputSchema: schema}, call)
	}
	for _, name := range []string{"greet", "secret_plan"} {
		server.AddPrompt(&mcp.Prompt{Name: name}, func(context.Context, *mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return &mcp.GetPromptResult{}, nil
		})
	}
	for _, part := range []string{"public", "private"} {
		uri := "doc://" + service + "/" + part
		server.AddResource(&mcp.Resource{Name: part, URI: uri}, func(context.Context, *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
			return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{{URI: uri, Text: uri}}}, nil
		})
	}
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{
		DisableLocalhostProtection: true,
	})
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	say(map[string]any{"port": listening.Addr().(*net.TCPAddr).Port})
	panic(http.Serve(listening, handler))
}
