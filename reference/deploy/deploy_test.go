package deploy

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/keys"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The examples are what the programs take, and lead where the units have their folders.
func TestExamples(t *testing.T) {
	dir := t.TempDir()
	example := strings.ReplaceAll(read(t, "server.yaml"), "/var/lib/adit", dir)
	file := filepath.Join(dir, "server.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(example)
	if _, err := config.LoadServer([]string{"--config", file}, io.Discard); err == nil || !strings.Contains(err.Error(), "adit-server keygen NAME --keys "+dir+"/keys") {
		t.Errorf("without a key: %v; want how one is made", err)
	}
	if _, err := keys.Add(filepath.Join(dir, "keys"), "laptop", keys.Rights{}); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadServer([]string{"--config", file}, io.Discard)
	if err != nil || c.Ring == nil || c.Database.Path != dir+"/mappings.db" || len(c.Maps) != 1 || c.Maps[0].Port != 10022 {
		t.Errorf("server.yaml becomes %+v, %v", c, err)
	}
	write(strings.Replace(example, "# security:", "security:", 1))
	if _, err := config.LoadServer([]string{"--config", file}, io.Discard); err == nil || !strings.Contains(err.Error(), "adit-server apikey NAME") {
		t.Errorf("with authentication and without its file: %v; want how that is made", err)
	}
	if _, c, err := config.LoadCredential("apikey", []string{"me", "--config", file}, io.Discard); err != nil || c.Security.API.KeysFile != dir+"/api-keys" {
		t.Errorf("apikey --config: %q, %v", c.Security.API.KeysFile, err)
	}

	write(regexp.MustCompile(`(?m)^# (allow|publish):`).ReplaceAllString(read(t, "client.yaml"), "$1:"))
	for _, listen := range []string{strconv.Itoa(c.Tunnel.ListenPort), c.API.ListenHost + ":" + strconv.Itoa(c.API.ListenPort)} {
		if !strings.Contains(read(t, "systemd/adit-server.socket"), "\nListenStream="+listen+"\n") {
			t.Errorf("the socket unit does not listen on %s, as server.yaml does", listen)
		}
	}
	client, err := config.LoadClient([]string{"--config", file}, io.Discard, func(string, []string) error { return nil })
	if err != nil || client.Server != "tunnel.example.org:9000" || len(client.Allow) != 1 || len(client.Publish) != 2 {
		t.Errorf("client.yaml becomes %+v, %v", client, err)
	}
}

// A unit starts its program with the file that the package has, leaves it the time that it may take to end, and does not
// start it again for a file that is wrong.
func TestUnits(t *testing.T) {
	for _, program := range []string{"server", "client"} {
		unit := read(t, "systemd/adit-"+program+".service")
		for _, line := range []string{
			"Type=notify", "ExecStart=/usr/bin/adit-" + program + " --config /etc/adit/" + program + ".yaml", "ExecReload=/bin/kill -HUP $MAINPID", "Restart=on-failure", "RestartPreventExitStatus=2", "NoNewPrivileges=yes", "ProtectSystem=strict",
		} {
			if !strings.Contains(unit, "\n"+line+"\n") {
				t.Errorf("the unit of the %s has no %s", program, line)
			}
		}
		stop := regexp.MustCompile(`\nTimeoutStopSec=(\d+)s\n`).FindStringSubmatch(unit)
		if stop == nil {
			t.Fatalf("the unit of the %s has no TimeoutStopSec", program)
		}
		c, err := config.LoadServer([]string{"--keys", ""}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := strconv.Atoi(stop[1]); time.Duration(n)*time.Second < c.Shutdown.Grace+10*time.Second {
			t.Errorf("systemd kills the %s after %d s, and its shutdown.grace is %v", program, n, c.Shutdown.Grace)
		}
	}
}

// Systemd, where it is installed, takes the units, and finds that they expose little.
func TestSystemdTakesTheUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("not run: systemd-analyze is not installed (Debian: systemd)")
	}
	for _, program := range []string{"server", "client"} {
		unit := filepath.Join(t.TempDir(), "adit-"+program+".service")
		text := strings.Replace(read(t, "systemd/adit-"+program+".service"), "/usr/bin/adit-"+program, "/bin/true", 1) // what is there
		if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		verify := []string{"verify", "--man=no", unit}
		if socket := "systemd/adit-" + program + ".socket"; program == "server" {
			verify = append(verify, filepath.Join(filepath.Dir(unit), filepath.Base(socket))) // which looks for its service beside it
			if err := os.WriteFile(verify[3], []byte(read(t, socket)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command(analyze, verify...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
		if out, err := exec.Command(analyze, "security", "--offline=yes", "--threshold=20", unit).CombinedOutput(); err != nil {
			t.Errorf("systemd-analyze security: %v\n%s", err, out)
		}
	}
}

// What the compose file mounts and builds from is there, and its server takes its command line.
func TestCompose(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Build   struct{ Context, Dockerfile string }
			Command []string
			Volumes []string
			Network string `yaml:"network_mode"`
		}
		Volumes map[string]any
	}
	if err := yaml.Unmarshal([]byte(read(t, "docker/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	if len(compose.Services) != 3 {
		t.Fatalf("the services are %v; want three", compose.Services)
	}
	for name, s := range compose.Services {
		if s.Network != "host" {
			t.Errorf("%s has network_mode %q; want host: the others look for it there", name, s.Network)
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(source, ".") {
				if _, ok := compose.Volumes[source]; !ok {
					t.Errorf("%s: there is no volume %s", name, source)
				}
			} else if _, err := os.Stat(filepath.Join("docker", source)); err != nil && source != "./adit-key" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	adit := compose.Services["adit"]
	// the Dockerfile's path is from the context, which is made by make build
	if got := filepath.Join("docker", adit.Build.Context, adit.Build.Dockerfile); got != filepath.Clean("../../reference/deploy/docker/Dockerfile") {
		t.Errorf("the image is built by %s", got)
	}
	apiKeys := filepath.Join(t.TempDir(), "api-keys")
	if err := os.WriteFile(apiKeys, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadServer(append(adit.Command, "--keys", "", "--security.api.keys_file", apiKeys), io.Discard)
	if err != nil || c.Access == nil || c.API.ListenHost != "127.0.0.1" {
		t.Errorf("the server of the compose file asks nobody for a key, or listens beyond the machine: %+v, %v", c.API, err)
	}
}

// What the package has from the repository is there.
func TestPackage(t *testing.T) {
	var p struct{ Contents []struct{ Src, Dst string } }
	if err := yaml.Unmarshal([]byte(read(t, "debian/nfpm.yaml")), &p); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, c := range p.Contents {
		there[c.Dst] = true
		if strings.HasPrefix(c.Src, "build/") {
			continue // made by make release
		}
		if found, err := filepath.Glob(filepath.Join("../..", c.Src)); err != nil || len(found) == 0 {
			t.Errorf("%s: %v, %v", c.Src, found, err)
		}
	}
	for _, unit := range []string{"server", "client"} {
		for path := range strings.FieldsSeq(regexp.MustCompile(`\nExecStart=(.*)`).FindStringSubmatch(read(t, "systemd/adit-"+unit+".service"))[1]) {
			if strings.HasPrefix(path, "/") && !there[path] {
				t.Errorf("the unit of the %s needs %s, which the package does not have", unit, path)
			}
		}
	}
}
