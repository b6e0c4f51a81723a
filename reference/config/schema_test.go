package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/adit-tunnel/adit/conformance/schematest"
	"github.com/adit-tunnel/adit/reference/config"
)

var update = flag.Bool("update", false, "write the published schemas anew")

// The published schemas are what the programs print.
func TestPublishedSchemas(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{"server.schema.json": config.WriteServerSchema, "client.schema.json": config.WriteClientSchema} {
		var made bytes.Buffer
		if err := write(&made); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(name, made.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := os.ReadFile(name); err != nil || !bytes.Equal(text, made.Bytes()) {
			t.Errorf("%s is not what the program prints (%v); make it with: go test ./reference/config -run PublishedSchemas -update", name, err)
		}
	}
}

// unseen are mistakes that no schema sees: what one key says of another, of a file, or of the notation.
var unseen = []string{
	"api-keys-without-auth", "api-open-to-the-world", "auth", "cert-missing", "cert", "client-ca", "cidr", "dead-peer-too-short",
	"host-with-port", "nobody-allowed", "octal", "range-backwards", "second-document", "timer-too-long", "timer-too-short", "tls-without-key", "tls", "merge-key",
}

func TestTheSchemaRefusesWhatItCan(t *testing.T) {
	var text bytes.Buffer
	if err := config.WriteServerSchema(&text); err != nil {
		t.Fatal(err)
	}
	schema := schematest.Compile(t, text.Bytes())
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		what, invalid := strings.CutPrefix(strings.TrimSuffix(filepath.Base(name), ".yaml"), "invalid-")
		refused := schema.YAML(t, file)
		if want := invalid && !slices.Contains(unseen, what); want != (refused != nil) {
			t.Errorf("%s: the schema says %v; want it refused: %v", name, refused, want)
		}
	}
	for text, want := range map[string]bool{
		`{"map": ["10001", {"port": 10001, "idle_timeout": "5m", "rate_up": "1MiB", "rate_down": 65536, "allow": ["::1"], "use_tunnel": true, "target_port": 22}]}`: true,
		`{"map": [{"prot": 10001}]}`: false, `{"map": [{"port": "10001"}]}`: false, `{"map": [{"port": 1, "rate_up": "1MB"}]}`: false, `{"map": [1]}`: false,
		`{"tunnel": {"queue": "1MiB", "timers": {"close_wait": "62s"}}}`: true, `{"tunnel": {"queue": 65535}}`: false, `{"tunnel": {"queue": "big"}}`: false,
		`{"tunnel": null}`: true, `null`: true, `{"memory": null}`: false, `{"tunnel": {"timers": {"close_wait": "62"}}}`: false,
		`{"security": {"port_range": {"blacklist": [1, 65535]}}}`: true, `{"security": {"port_range": {"blacklist": [0]}}}`: false,
		`{"tunnel": {"target_offset": 0}}`: true, `{"tunnel": {"target_offset": 65536}}`: false, `{"protocol": "core"}`: true, `{"protocol": "http"}`: false,
	} {
		if err := schema.JSON(t, []byte(text)); want != (err == nil) {
			t.Errorf("%s: %v; want it taken: %v", text, err, want)
		}
	}
}

// The defaults in the schema are those that the program has.
func TestTheSchemasDefaults(t *testing.T) {
	var text bytes.Buffer
	if err := config.WriteClientSchema(&text); err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Default     any
			Description string
			Minimum     any
		}
	}
	if err := json.Unmarshal(text.Bytes(), &schema); err != nil {
		t.Fatal(err)
	}
	p := schema.Properties
	if p["server"].Default != "127.0.0.1:9000" || p["redial_delay"].Default != "500ms" || p["max_connections"].Default != 16384. || p["max_connections"].Minimum != 1. ||
		p["tls"].Default != false || p["publish"].Default != nil || !strings.Contains(p["server"].Description, "HOST:PORT") {
		t.Errorf("the client's keys are %+v", p)
	}
}
