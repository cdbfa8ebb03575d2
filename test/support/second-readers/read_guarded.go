// Reads what a guard sent on, as Go's own library does: one line a message, `method path rpc-method name model digest`.
// The fields are taken by encoding/json, which does not mind letter case and takes the last of two.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
	"unicode/utf16"
)

type message struct {
	Method string `json:"method"`
	Model  string `json:"model"`
	Params struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"params"`
}

func canonical(value any, out *strings.Builder) {
	switch held := value.(type) {
	case json.Number:
		out.WriteString(string(held))
	case string:
		out.WriteByte('"')
		for _, unit := range utf16.Encode([]rune(held)) {
			if unit >= 0x20 && unit < 0x7f && unit != '"' && unit != '\\' {
				out.WriteByte(byte(unit))
			} else {
				fmt.Fprintf(out, "\\u%04x", unit)
			}
		}
		out.WriteByte('"')
	case []any:
		out.WriteByte('[')
		for index, item := range held {
			if index > 0 {
				out.WriteByte(',')
			}
			canonical(item, out)
		}
		out.WriteByte(']')
	case map[string]any:
		names := make([]string, 0, len(held))
		for name := range held {
			names = append(names, name)
		}
		sort.Strings(names)
		out.WriteByte('{')
		for index, name := range names {
			if index > 0 {
				out.WriteByte(',')
			}
			canonical(name, out)
			out.WriteByte(':')
			canonical(held[name], out)
		}
		out.WriteByte('}')
	case bool:
		fmt.Fprint(out, held)
	default:
		out.WriteString("null")
	}
}

func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func tell(out io.Writer, method, path string, text []byte) {
	var read message
	if err := json.Unmarshal(text, &read); err != nil {
		panic(err)
	}
	told := text
	if read.Method != "" {
		told = read.Params.Arguments
		if told == nil {
			told = []byte("{}")
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(told))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		panic(err)
	}
	var written strings.Builder
	canonical(value, &written)
	digest := sha256.Sum256([]byte(written.String()))
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%x\n", method, path, or(read.Method), or(read.Params.Name), or(read.Model), digest)
}

func main() {
	file, err := os.Open(os.Args[2])
	if err != nil {
		panic(err)
	}
	in := bufio.NewReaderSize(file, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if os.Args[1] == "lines" {
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 0 {
				tell(out, "-", "-", line)
			}
			if err != nil {
				return
			}
		}
	}
	for {
		request, err := http.ReadRequest(in)
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			panic(err)
		}
		tell(out, request.Method, request.URL.RequestURI(), body)
	}
}
