package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/run"
)

// An engine is the Docker engine as the tests look at it.
type engine struct {
	t *testing.T
	*client.Client
}

// docker skips a test where no engine answers.
func docker(t *testing.T) engine {
	api, err := client.New(client.FromEnv)
	if err == nil {
		_, err = api.Ping(t.Context(), client.PingOptions{})
	}
	if err != nil {
		t.Skipf("not run: no Docker engine answers: %v", err)
	}
	t.Cleanup(func() { _ = api.Close() })
	return engine{t, api}
}

// left are the networks of a scenario, and the containers of a subject, that the engine has.
func (e engine) left(scenario, subject string) (out []string) {
	label := func(v string) client.Filters { return client.Filters{}.Add("label", "adit.subject="+v) }
	ns, err := e.NetworkList(context.Background(), client.NetworkListOptions{Filters: label("adit-load " + scenario)})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, n := range ns.Items {
		out = append(out, "network "+n.Name)
	}
	cs, err := e.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: label(subject)})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, c := range cs.Items {
		out = append(out, "container "+c.ID)
	}
	return out
}

// The same scenario runs in containers, and nothing of them stays, however the run ends.
func TestAScenarioRunsInContainers(t *testing.T) {
	e := docker(t)
	b := newBench(t, "", "")
	name := fmt.Sprintf("c%d", time.Now().UnixNano())
	text := "# why?\nscenario: " + name + "\nwarmup: 20ms\nmeasure: 200ms\npaths: [direct, tunnel]\n" +
		"load: {mode: pingpong, connections: 2, size: 1KiB}\nlimits: {server: {cpus: 0.5, memory: 64MiB}}\n"
	b.write("x.yaml", text)
	b.write("subject.yaml", "name: "+name+"\nserver: {image: {build: "+b.path("bin")+", dockerfile: ../../rig/adit-load.Dockerfile}, args: 'relay --listen {visitor} --to {target}'}\n")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", b.path("bin")+"/adit-load", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	command := func() (*exec.Cmd, fmt.Stringer) {
		cmd, _, stderr := b.command(b.path("bin/adit-load"), append(b.args(), "--runtime", "container", "--force")...)
		cmd.Env = append(cmd.Env, "TESTCONTAINERS_RYUK_DISABLED=true") // its image would be pulled
		return cmd, stderr
	}
	cmd, stderr := command()
	if err := cmd.Run(); err != nil {
		t.Fatalf("run: %v\n%s", err, stderr)
	}
	records, _, err := record.Load(b.path("out"))
	if err != nil {
		t.Fatal(err)
	}
	r := records[0]
	if r.Scenario.Runtime != "container" || len(r.Blocks) != 2 || r.Failed() != 0 {
		t.Errorf("runtime %q, %d blocks, %d failed packets; want 2 in containers, all ok", r.Scenario.Runtime, len(r.Blocks), r.Failed())
	}
	for _, block := range r.Blocks {
		if n := len(block.Processes); n != 2 && block.Path == "direct" || n != 3 && block.Path == "tunnel" {
			t.Errorf("%v: %d processes; want generator and target, and with a tunnel its server", block.Route, n)
		}
		for _, p := range block.Processes {
			if p.RSS == 0 || p.CPUSeconds == 0 {
				t.Errorf("%v: %s used %d octets and %v s; want what the host says of its container", block.Route, p.Role, p.RSS, p.CPUSeconds)
			}
		}
	}
	if left := e.left(name, name); len(left) > 0 {
		t.Errorf("left after a run: %v", left)
	}

	cmd, stderr = command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the run makes its network", func() bool { return len(e.left(name, name)) > 0 })
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != run.ExitInterrupted {
		t.Errorf("after SIGINT: exit code %d, %s; want %d", code, stderr, run.ExitInterrupted)
	}
	if left := e.left(name, name); len(left) > 0 {
		t.Errorf("left after SIGINT: %v", left)
	}
}
