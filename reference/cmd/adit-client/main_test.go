package main

import (
	"os/exec"
	"strings"
	"testing"
)

// The client runs on small machines behind NAT: it carries nothing of the server's.
func TestTheClientLinksNothingOfTheServer(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("go list -deps = %q; want many packages", deps)
	}
	for _, dep := range deps {
		for _, bad := range []string{"modernc.org/", "reference/store", "reference/api", "reference/server", "net/http"} {
			if strings.Contains(dep, bad) {
				t.Errorf("adit-client links %s", dep)
			}
		}
	}
}
