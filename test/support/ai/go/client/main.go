// A client of the official Go SDK for the matrix.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

type place struct {
	URL     string   `json:"url"`
	SSE     string   `json:"sse"`
	Command string   `json:"command"`
	Args    []string `json:"args"`
}

func main() {
	var where place
	if err := json.Unmarshal([]byte(os.Args[1]), &where); err != nil {
		panic(err)
	}
	prefix, service := os.Args[2], os.Args[3]
	public := "doc://" + service + "/public"
	progressed := make(chan int, 16)
	updated := make(chan string, 16)
	client := mcp.NewClient(&mcp.Implementation{Name: "matrix", Version: "1"}, &mcp.ClientOptions{
		ElicitationHandler: func(context.Context, *mcp.ElicitRequest) (*mcp.ElicitResult, error) {
			return &mcp.ElicitResult{Action: "accept", Content: map[string]any{"name": "me"}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, request *mcp.ProgressNotificationClientRequest) {
			progressed <- int(request.Params.Progress)
		},
		ResourceUpdatedHandler: func(_ context.Context, request *mcp.ResourceUpdatedNotificationRequest) {
			updated <- request.Params.URI
		},
	})
	var transport mcp.Transport
	switch {
	case where.URL != "":
		transport = &mcp.StreamableClientTransport{Endpoint: where.URL}
	case where.SSE != "":
		transport = &mcp.SSEClientTransport{Endpoint: where.SSE}
	default:
		transport = &mcp.CommandTransport{Command: exec.Command(where.Command, where.Args...)}
	}
	session, err := client.Connect(context.Background(), transport, nil)
	if err != nil {
		panic(err)
	}
	call := func(ctx context.Context, name string, args map[string]any, token any) (string, error) {
		params := &mcp.CallToolParams{Name: prefix + name, Arguments: args}
		if token != nil {
			params.SetProgressToken(token)
		}
		result, err := session.CallTool(ctx, params)
		if err != nil {
			return "", err
		}
		return result.Content[0].(*mcp.TextContent).Text, nil
	}
	none := map[string]any{}
	told := map[string]any{}
	skipped := "," + os.Getenv("MATRIX_SKIP") + ","
	step := func(name string, asked func(context.Context) (any, error)) {
		if strings.Contains(skipped, ","+name+",") {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if what, err := asked(ctx); err != nil {
			told[name] = "error: " + err.Error()
		} else {
			told[name] = what
		}
	}
	step("tools", func(ctx context.Context) (any, error) {
		names := []string{}
		for tool, err := range session.Tools(ctx, nil) {
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(tool.Name, prefix) {
				names = append(names, tool.Name)
			}
		}
		return names, nil
	})
	step("prompts", func(ctx context.Context) (any, error) {
		names := []string{}
		for prompt, err := range session.Prompts(ctx, nil) {
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(prompt.Name, prefix) {
				names = append(names, prompt.Name)
			}
		}
		return names, nil
	})
	step("resources", func(ctx context.Context) (any, error) {
		uris := []string{}
		for resource, err := range session.Resources(ctx, nil) {
			if err != nil {
				return nil, err
			}
			if strings.Contains(resource.URI, "://"+service+"/") {
				uris = append(uris, resource.URI)
			}
		}
		return uris, nil
	})
	step("call", func(ctx context.Context) (any, error) { return call(ctx, "search", map[string]any{"text": "abc"}, nil) })
	step("refusal", func(ctx context.Context) (any, error) {
		if said, err := call(ctx, "delete_all", none, nil); err == nil {
			return said, nil
		} else {
			return err.Error(), nil
		}
	})
	step("progress", func(ctx context.Context) (any, error) {
		said, err := call(ctx, "count", map[string]any{"to": 3}, "count")
		if err != nil {
			return nil, err
		}
		seen := []any{}
		for range 3 {
			select {
			case done := <-progressed:
				seen = append(seen, done)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return append(seen, said), nil
	})
	step("cancel", func(ctx context.Context) (any, error) {
		calling, cancel := context.WithCancel(ctx)
		defer cancel()
		ended := make(chan struct{})
		go func() {
			_, _ = call(calling, "slow", none, "slow")
			close(ended)
		}()
		select {
		case <-progressed:
			cancel()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		<-ended
		return true, nil
	})
	step("elicitation", func(ctx context.Context) (any, error) { return call(ctx, "ask", none, nil) })
	step("subscription", func(ctx context.Context) (any, error) {
		listening := make(chan error, 1)
		// In the era without handshakes this lasts as long as the subscription does.
		go func() { listening <- session.Subscribe(context.Background(), &mcp.SubscribeParams{URI: public}) }()
		for {
			if _, err := call(ctx, "touch", none, nil); err != nil {
				return nil, err
			}
			select {
			case uri := <-updated:
				return uri, nil
			case err := <-listening:
				if err != nil {
					return nil, err
				}
			case <-time.After(500 * time.Millisecond):
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	})
	step("large", func(ctx context.Context) (any, error) {
		said, err := call(ctx, "big", map[string]any{"bytes": 12 << 20}, nil)
		return len(said), err
	})
	line, _ := json.Marshal(told)
	fmt.Println(string(line))
	go func() {
		time.Sleep(5 * time.Second)
		os.Exit(0)
	}()
	_ = session.Close()
}
