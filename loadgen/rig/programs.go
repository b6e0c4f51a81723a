package rig

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/record"
)

// programs are what an instance runs, by digest: of the file that the kernel
// runs, in a container, too. One that the system does not show has none.
func programs(in *subject.Instance) (out []record.Program) {
	for _, p := range in.Processes() {
		sum, _ := Digest(fmt.Sprintf("/proc/%d/exe", p.PID()))
		if sum != "" || p.Image() != "" {
			out = append(out, record.Program{Role: p.Name, SHA256: sum, Image: p.Image()})
		}
	}
	return out
}

// Digest is the SHA-256 of a file, in hexadecimal.
func Digest(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
