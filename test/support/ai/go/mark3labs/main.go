// A server of mcp-go for the matrix. Argument: its service's name.
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

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func say(what map[string]any) {
	line, _ := json.Marshal(what)
	fmt.Println(string(line))
}

func main() {
	service := os.Args[1]
	public := "doc://" + service + "/public"
	made := server.NewMCPServer(service, "1",
		server.WithPaginationLimit(2),
		server.WithToolCapabilities(true),
		server.WithPromptCapabilities(true),
		server.WithResourceCapabilities(true, true),
		server.WithElicitation(),
	)
	call := func(ctx context.Context, request mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		name := request.Params.Name
		say(map[string]any{"ran": name})
		progress := func(done int, total int) {
			if request.Params.Meta != nil && request.Params.Meta.ProgressToken != nil {
				_ = made.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
					"progressToken": request.Params.Meta.ProgressToken, "progress": done, "total": total,
				})
			}
		}
		switch name {
		case "search":
			return mcp.NewToolResultText(fmt.Sprintf("search:%d", len(request.GetString("text", "")))), nil
		case "count":
			to := request.GetInt("to", 0)
			for done := 1; done <= to; done++ {
				progress(done, to)
				time.Sleep(200 * time.Millisecond)
			}
			return mcp.NewToolResultText(fmt.Sprint(to)), nil
		case "slow":
			progress(1, 2)
			select {
			case <-ctx.Done():
				say(map[string]any{"cancelled": name})
			case <-time.After(time.Minute):
			}
			return mcp.NewToolResultText("late"), nil
		case "ask":
			if answer := server.ElicitationResponse(request.Params.InputResponses, "who"); answer != nil {
				content, _ := answer.Content.(map[string]any)
				return mcp.NewToolResultText(fmt.Sprintf("%s %v", answer.Action, content["name"])), nil
			}
			return server.NewInputRequestBuilder("asked").Elicit("who", mcp.ElicitationParams{
				Mode:    mcp.ElicitationModeForm,
				Message: "who?",
				RequestedSchema: map[string]any{
					"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string"}},
				},
			}).ToolResult(), nil
		case "touch":
			made.SendNotificationToAllClients("notifications/resources/updated", map[string]any{"uri": public})
			return mcp.NewToolResultText("touched"), nil
		case "big":
			return mcp.NewToolResultText(strings.Repeat("x", request.GetInt("bytes", 0))), nil
		}
		return mcp.NewToolResultText(name), nil
	}
	made.AddTool(mcp.NewTool("search", mcp.WithString("text")), call)
	made.AddTool(mcp.NewTool("count", mcp.WithNumber("to")), call)
	made.AddTool(mcp.NewTool("slow"), call)
	made.AddTool(mcp.NewTool("ask"), call)
	made.AddTool(mcp.NewTool("touch"), call)
	made.AddTool(mcp.NewTool("big", mcp.WithNumber("bytes")), call)
	made.AddTool(mcp.NewTool("delete_all"), call)
	for _, name := range []string{"greet", "secret_plan"} {
		made.AddPrompt(mcp.NewPrompt(name), func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return &mcp.GetPromptResult{}, nil
		})
	}
	for _, part := range []string{"public", "private"} {
		uri := "doc://" + service + "/" + part
		made.AddResource(mcp.NewResource(uri, part), func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
			return []mcp.ResourceContents{mcp.TextResourceContents{URI: uri, Text: uri}}, nil
		})
	}
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	say(map[string]any{"port": listening.Addr().(*net.TCPAddr).Port})
	panic(http.Serve(listening, server.NewStreamableHTTPServer(made,
		server.WithStateful(true), server.WithDisableLocalhostProtection(true))))
}
