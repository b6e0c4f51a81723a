// Command vecgen makes the golden vectors. It shares no code with the codec:
// its octets come from the byte builder in build.go, which writes illegal
// frames as readily as legal ones.
//
//	main.go              files
//	build.go             octets and frames
//	frames.go            one frame each
//	streams.go           frames cut and joined
//	dialogues.go         words of the dialogues
//	dialogues_server.go  the subject is a server
//	dialogues_client.go  the subject is a client
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/adit-tunnel/adit/spec"
)

func main() {
	out := flag.String("out", "vectors", "folder of the vectors; those of other names are removed")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(out string) error {
	files, err := generate()
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(out, "*_*.json"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if _, ok := files[filepath.Base(name)]; !ok {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(out, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of each file by its name.
func generate() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, list := range [][]spec.Vector{frames(), streams(), serverDialogues(), clientDialogues()} {
		for _, v := range list {
			v.Profile = "core"
			name := v.ID + ".json"
			if _, ok := files[name]; ok {
				return nil, fmt.Errorf("two vectors are named %s", v.ID)
			}
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
			files[name] = buf.Bytes()
		}
	}
	return files, nil
}
