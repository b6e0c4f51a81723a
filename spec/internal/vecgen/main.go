// Command vecgen makes the golden vectors. It shares no code with the codec:
// legal frames are built from the table of frames, and illegal octets are
// written out.
//
//	main.go              files
//	build.go             octets, and frames from frames.json
//	frames.go            one frame each
//	frames_ext.go        the same for the Extended profile
//	frames_auth.go       the same for the option auth
//	frames_bind.go       the same for the option bind
//	keys.go              keys as text, and the proofs that they make
//	streams.go           frames cut and joined
//	dialogues.go         words of the dialogues
//	dialogues_server.go  the subject is a server
//	dialogues_client.go  the subject is a client
//	dialogues_ext.go     both, for the Extended profile
//	dialogues_bind.go    both, for the option bind
//	dialogues_model.go   those that runs of spec/model become, where none of the others shows what they show
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

// written are the vectors that were thought of, those of the model apart.
func written() (all []spec.Vector) {
	for _, list := range []struct {
		profile string
		vectors []spec.Vector
	}{
		{"core", frames()},
		{"core", streams()},
		{"core", serverDialogues()},
		{"core", clientDialogues()},
		{"ext", extFrames()},
		{"ext", extServerDialogues()},
		{"ext", extClientDialogues()},
		{"auth", authFrames()},
		{"auth", keys()},
		{"auth", proofs()},
		{"bind", bindFrames()},
		{"bind", bindServerDialogues()},
		{"bind", bindClientDialogues()},
	} {
		for _, v := range list.vectors {
			v.Profile = list.profile
			all = append(all, v)
		}
	}
	return all
}

// generate returns the content of each file by its name.
func generate() (map[string][]byte, error) {
	all := written()
	made, _, err := modelDialogues(all)
	if err != nil {
		return nil, err
	}
	all = append(all, made...)
	if err := twice(all); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, v := range all {
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
	return files, nil
}
