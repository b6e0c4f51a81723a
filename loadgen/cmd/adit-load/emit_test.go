//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"

	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/rig"
	"github.com/adit-tunnel/adit/loadgen/run"
)

func TestWrongEmissionsSayWhatToDo(t *testing.T) {
	b := newBench(t, "load: {mode: pingpong, connections: 1, size: 1KiB}", "")
	b.write("linked.yaml", "# why?\nscenario: y\nload: {mode: pingpong, connections: 1, size: 1KiB}\nlink: {rtt: 1ms}\n")
	x := b.path("x.yaml")
	for args, want := range map[string]string{
		x + " --emit nomad":                                     `--emit "nomad" must be one of swarm, kubernetes`,
		x + " --emit=":                                          `--emit "" must be one of swarm, kubernetes`,
		x + " --emit swarm --json":                              "[emit json] were all set",
		x + " " + x + " --emit swarm":                           "--emit swarm: takes one scenario, not 2",
		x + " --image adit-load:1":                              "--image adit-load:1: belongs to --emit",
		x + " --emit swarm --image A:B:C":                       `image "A:B:C": must be the name of an image`,
		x + " --emit swarm --profile quick":                     `--profile "quick" must be one of smoke, ci, full`,
		x + " --emit swarm --subject " + b.path("subject.yaml"): "server.address: is missing",
		x + " --emit swarm --subject nowhere.yaml":              "nowhere.yaml",
		b.path("linked.yaml") + " --emit kubernetes":            b.path("linked.yaml") + ": link: ",
	} {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append([]string{"adit-load", "plan"}, strings.Fields(args)...), &stdout, &stderr)
		if code != run.ExitUsage || !strings.Contains(stderr.String(), want) || stdout.Len() > 0 {
			t.Errorf("plan %s: exit code %d, %q; want %d and %q", args, code, stderr.String(), run.ExitUsage, want)
		}
	}
}

// Several scenarios are planned as they are run: one after the other.
func TestAPlanOfSeveralSaysWhatTheyTakeInAll(t *testing.T) {
	for args, want := range map[string]bool{"speed": false, "speed drain": true} {
		var stdout, stderr bytes.Buffer
		code := execute(t.Context(), append([]string{"adit-load", "plan"}, strings.Fields(args)...), &stdout, &stderr)
		if code != run.ExitOK || strings.Contains(stdout.String(), "2 scenarios: ") != want {
			t.Errorf("plan %s: exit code %d, %q, in all: want %v in %s", args, code, stderr.String(), want, stdout.String())
		}
	}
}

// The commands at the top of a stack file make an image, a stack and a record.
// They are run as they stand there, on the swarm that the engine is in or one made for it.
func TestAStackFileBringsARecord(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: deploys a stack, which takes half a minute; without -short it is run")
	}
	e := docker(t)
	if out, err := exec.CommandContext(t.Context(), "docker", "--version").CombinedOutput(); err != nil {
		t.Skipf("not run: the commands need docker: %v: %s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	e.swarm(ctx)
	if left := e.stack(ctx); len(left) > 0 {
		t.Skipf("not run: a stack named adit-load is there already: %v", left)
	}
	b := newBench(t, "", "")
	b.write("x.yaml", "# why?\nscenario: x\ngenerators: 2\npaths: [direct, tunnel]\nload: {mode: pingpong, connections: 2, size: 1KiB}\nlimits: {generator: {cpus: 1, memory: 256MiB}}\n")
	b.binary()
	image := fmt.Sprintf("adit-load:t%d", time.Now().UnixNano())
	var file, stderr bytes.Buffer
	if code := execute(ctx, []string{"adit-load", "plan", b.path("x.yaml"), "--profile", "smoke", "--emit", "swarm", "--image", image}, &file, &stderr); code != run.ExitOK {
		t.Fatalf("plan: exit code %d, %s", code, &stderr)
	}
	b.write("stack.yaml", file.String())
	commands := commandsOf(file.String())
	const last = "docker stack rm adit-load\n"
	if !strings.HasSuffix(commands, last) {
		t.Fatalf("commands end without %q:\n%s", last, commands)
	}
	t.Cleanup(func() {
		_, err := e.ImageRemove(context.Background(), image, client.ImageRemoveOptions{Force: true, PruneChildren: true})
		if err != nil && !errdefs.IsNotFound(err) {
			t.Errorf("image %s: %v", image, err)
		}
	})
	t.Cleanup(func() { e.removed(b.dir, last, image) })
	run := func(script string) string {
		cmd := exec.CommandContext(ctx, "sh", "-euc", script)
		cmd.Dir = b.dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // too late, none of the commands goes on
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s\nstack: %v", err, script, out, e.stack(context.Background()))
		}
		return string(out)
	}
	said := run(strings.TrimSuffix(commands, last))
	records, _, err := record.Load(b.path("results"))
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v; want one:\n%s", len(records), err, said)
	}
	r := records[0]
	if len(r.Clocks) != 2 || r.Clocks[0].Address != "worker-1:7001" || r.Clocks[1].Address != "worker-2:7001" {
		t.Errorf("workers %+v; want both tasks of the service", r.Clocks)
	}
	if len(r.Blocks) != 2 || r.Faulty() || r.Failed() != 0 || r.Interrupted {
		t.Errorf("%d blocks, faulty %v, %d failed packets; want direct and the hop, all ok:\n%s", len(r.Blocks), r.Faulty(), r.Failed(), said)
	}
	for _, block := range r.Blocks {
		// Each generator has one connection: had one of them sent nothing, it were 1/2.
		if g := block.Groups[0]; g.Packets == 0 || g.Jain == nil || g.Jain.Overall <= 0.5 {
			t.Errorf("%v: %v packets, shared %+v; want some of each generator", block.Route, g.Packets, g.Jain)
		}
	}
}

// commandsOf are the commands in the comments of an emitted file.
func commandsOf(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "#     "); ok {
			out.WriteString(command)
		}
	}
	return out.String()
}

// binary puts adit-load, and what its image is made of, where the commands expect them.
func (b *bench) binary() {
	b.t.Helper()
	build := exec.CommandContext(b.t.Context(), "go", "build", "-trimpath", "-o", b.path("bin")+"/adit-load", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		b.t.Fatalf("go build: %v\n%s", err, out)
	}
	at := filepath.Join("loadgen", "rig")
	if err := os.MkdirAll(b.path(at), 0o755); err != nil {
		b.t.Fatal(err)
	}
	b.write(filepath.Join(at, "adit-load.Dockerfile"), string(rig.Dockerfile))
}

// swarm makes one of this engine alone, unless it is part of one, and ends the one that it made.
func (e engine) swarm(ctx context.Context) {
	info, err := e.Info(ctx, client.InfoOptions{})
	if err != nil {
		e.t.Fatal(err)
	}
	switch s := info.Info.Swarm; {
	case s.LocalNodeState == swarm.LocalNodeStateInactive:
	case s.ControlAvailable:
		return
	default:
		e.t.Skipf("not run: the engine is in a swarm (%s) of which it is no manager", s.LocalNodeState)
	}
	const gateway = "docker_gwbridge" // which a swarm makes, and leaves
	_, err = e.NetworkInspect(ctx, gateway, client.NetworkInspectOptions{})
	fresh := err != nil
	if _, err := e.SwarmInit(ctx, client.SwarmInitOptions{ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1"}); err != nil {
		e.t.Skipf("not run: no swarm can be made: %v", err)
	}
	e.t.Cleanup(func() {
		if _, err := e.SwarmLeave(context.Background(), client.SwarmLeaveOptions{Force: true}); err != nil {
			e.t.Errorf("swarm leave: %v", err)
		}
		if !fresh {
			return
		}
		if _, err := e.NetworkRemove(context.Background(), gateway, client.NetworkRemoveOptions{}); err != nil {
			e.t.Errorf("network %s: %v", gateway, err)
		}
	})
}

// stack is what the engine has of the stack adit-load, and containers on its network.
func (e engine) stack(ctx context.Context) (out []string) {
	own := client.Filters{}.Add("label", "com.docker.stack.namespace=adit-load")
	services, err := e.ServiceList(ctx, client.ServiceListOptions{Filters: own})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, s := range services.Items {
		out = append(out, "service "+s.Spec.Name)
	}
	secrets, err := e.SecretList(ctx, client.SecretListOptions{Filters: own})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, s := range secrets.Items {
		out = append(out, "secret "+s.Spec.Name)
	}
	containers, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: own})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, c := range containers.Items {
		out = append(out, "container "+c.Names[0]+" "+c.Status)
	}
	networks, err := e.NetworkList(ctx, client.NetworkListOptions{Filters: own})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, n := range networks.Items {
		out = append(out, "network "+n.Name)
	}
	return out
}

// removed ends what a failed leader may have left, and removes the stack with its own command.
func (e engine) removed(dir, command, image string) {
	ctx := context.Background()
	leaders, err := e.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("network", "adit-load_load").Add("ancestor", image)})
	if err != nil {
		e.t.Error(err)
	}
	for _, c := range leaders.Items {
		if c.Labels["com.docker.swarm.task.id"] == "" {
			_, _ = e.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true})
		}
	}
	cmd := exec.CommandContext(ctx, "sh", "-euc", command)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		e.t.Errorf("%s: %v\n%s", command, err, out)
	}
	until(e.t, "nothing of the stack is left", func() bool { return len(e.stack(ctx)) == 0 })
}
