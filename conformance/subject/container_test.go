//go:build unix

package subject

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// docker is the engine that the tests of containers need, and a subject's name that no other test has.
func docker(t *testing.T) (*engine, string) {
	t.Helper()
	name := "test-" + strings.ToLower(t.Name()) + "-" + time.Now().Format("150405.000000")
	e, err := connect(t.Context(), name)
	if err != nil {
		t.Skipf("not run: %v", err)
	}
	t.Cleanup(func() {
		if left := leftovers(t, e); len(left) > 0 {
			t.Errorf("left at the engine: %v; want nothing", left)
		}
		_ = e.Close()
	})
	return e, name
}

// leftovers are the containers and images that carry the subject's name.
func leftovers(t *testing.T, e *engine) (left []string) {
	t.Helper()
	ctx, cancel := uninterrupted(context.Background())
	defer cancel()
	ours := client.Filters{}.Add("label", label+"="+e.subject)
	cs, err := e.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs.Items {
		left = append(left, "container "+c.ID)
	}
	is, err := e.Client().ImageList(ctx, client.ImageListOptions{All: true, Filters: ours})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range is.Items {
		left = append(left, "image "+i.ID)
	}
	return left
}

// context with the test program and a Dockerfile for it.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "image"), "./testdata/image")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	dockerfile(t, dir, "FROM scratch\nENTRYPOINT [\"/image\"]\nCOPY image /image\n")
	return dir
}

func dockerfile(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// image is a subject file whose server, and client if it has arguments, are images.
func image(t *testing.T, name, folder, server, client string) *File {
	t.Helper()
	text := "name: " + name + "\nserver: {image: {build: " + folder + "}, args: '" + server + "', ready: {log: '(?i)ready', within: 60s}}\n"
	if client != "" {
		text += "client: {image: {build: " + folder + "}, args: '" + client + "', env: {GREETING: '{target}'}}\n"
	}
	return parse(t, text)
}

func TestContainersAreStartedReadyAndEnded(t *testing.T) {
	t.Parallel()
	e, name := docker(t)
	f := image(t, name, folder(t), "serve {dir}", "dial")
	f.Env = map[string]string{"GREETING": "hello"}
	in := start(t, f, Options{At: Addrs{Target: "127.0.0.1:7"}, Scenario: "FRAME-004/server"})
	want := strings.Join([]string{"server", in.At.Tunnel, "", in.At.Visitor, "127.0.0.1:7", "", "FRAME-004/server", "hello", "start 1"}, " ")
	if got := in.Server.Log(0); !slices.Equal(got, []string{want, "Ready at " + in.At.Tunnel}) {
		t.Errorf("log = %q; want %q and the ready line", got, want)
	}
	c, err := net.Dial("tcp", in.At.Tunnel)
	if err != nil {
		t.Fatalf("{tunnel} from the host: %v", err)
	}
	if err := in.Owner(t.Context(), c); err != nil {
		t.Errorf("Owner in the network of the host: %v", err)
	}
	c.Close()
	for _, p := range in.Processes() {
		if err := syscall.Kill(p.PID(), 0); err != nil || !p.Running() || p.Status() != "running" {
			t.Errorf("%s: signal 0 to %d: %v, status %s; want a running process", p.Name, p.PID(), err, p.Status())
		}
	}
	if n := len(leftovers(t, e)); n < 4 {
		t.Errorf("%d containers and images carry the label; want two of each", n)
	}
	if err := in.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if in.Server.Status() != "exit status 0" || in.Server.Log(1)[0] != "told to end" {
		t.Errorf("server: %s, %q; want an orderly end", in.Server.Status(), in.Server.Log(0))
	}
}

func TestAContainerIsEndedSuddenlyAndStartedAgainWithItsData(t *testing.T) {
	t.Parallel()
	_, name := docker(t)
	in := start(t, image(t, name, folder(t), "serve {dir}", ""), Options{})
	exited := in.Server.Exited()
	in.Server.End(true)
	within(t, "end", exited)
	if got := in.Server.Status(); got != "signal: killed" {
		t.Errorf("status = %s; want signal: killed", got)
	}
	if err := in.Server.Again(t.Context()); err != nil {
		t.Fatalf("Again: %v", err)
	}
	log := in.Server.Log(0)
	if len(log) != 4 || !strings.HasSuffix(log[2], "start 2") {
		t.Errorf("log of both runs = %q; want four lines, and that {dir} kept what the first run wrote", log)
	}
}

func TestAStubbornContainerIsKilledAfterTheGrace(t *testing.T) {
	t.Parallel()
	_, name := docker(t)
	in := start(t, image(t, name, folder(t), "stubborn", ""), Options{Grace: 10 * time.Millisecond})
	in.Server.End(false)
	if got := in.Server.Status(); got != "signal: killed" {
		t.Errorf("status = %s; want signal: killed", got)
	}
}

func TestAContainerThatEndsEarlyIsReportedWithItsLastLines(t *testing.T) {
	t.Parallel()
	_, name := docker(t)
	_, err := image(t, name, folder(t), "exit 3", "").Start(t.Context(), Options{})
	if ee, ok := errors.AsType[*ExitError](err); !ok || ee.Status != "exit status 3" || !slices.Equal(ee.Log, []string{"the disk is full"}) {
		t.Errorf("Start: %v; want *ExitError, exit status 3, its line", err)
	}
}

func TestExitStatus127IsBelievedWhenItIsAlsoTheAnswerToAnUnknownScenario(t *testing.T) {
	t.Parallel()
	_, name := docker(t)
	dir := folder(t)
	start(t, image(t, name, dir, "picky", ""), Options{Scenario: "known"})
	for _, tt := range []struct {
		args, scenario string
		believed       bool
	}{
		{"picky", "unknown", true},
		{"exit 127", "", true}, // it does not read the scenario: the role is not supported
		{"careless", "known", false},
	} {
		_, err := image(t, name, dir, tt.args, "").Start(t.Context(), Options{Scenario: tt.scenario, Grace: time.Second})
		if got := errors.Is(err, errors.ErrUnsupported); err == nil || got != tt.believed {
			t.Errorf("Start of %q for scenario %q: %v; want unsupported: %v", tt.args, tt.scenario, err, tt.believed)
		}
		if _, early := errors.AsType[*ExitError](err); early == tt.believed {
			t.Errorf("Start of %q for scenario %q: %v; want *ExitError: %v", tt.args, tt.scenario, err, !tt.believed)
		}
	}
}

func TestAnImageThatTheEngineDoesNotHaveIsNotPulled(t *testing.T) {
	t.Parallel()
	_, name := docker(t)
	_, err := parse(t, "{name: "+name+", server: {image: adit-no-such-image}}").Start(t.Context(), Options{})
	if err == nil || !strings.Contains(err.Error(), "server cannot be started: image adit-no-such-image: the engine does not have it; docker pull") {
		t.Errorf("Start of a missing image: %v", err)
	}
}

func TestAnImageByNameIsKept(t *testing.T) {
	t.Parallel()
	e, name := docker(t)
	dir := folder(t)
	b, err := e.build(t.Context(), dir, filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	in := start(t, parse(t, "{name: "+name+", server: {image: '"+b.name+"', args: stubborn}}"), Options{Grace: time.Millisecond})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.has(t.Context(), b.name); err != nil {
		t.Errorf("somebody else's image after Close: %v; want it kept", err)
	}
	if err := e.unbuild(b); err != nil {
		t.Errorf("unbuild: %v", err)
	}
}

func TestNothingIsLeftOfWhatCouldNotBeBuiltOrStarted(t *testing.T) {
	t.Parallel()
	e, name := docker(t)
	dir := folder(t)
	mark := "LABEL " + label + "=" + name + "\n" // on the layers, too
	dockerfile(t, dir, "FROM scratch\n"+mark+"COPY image /image\nCOPY none /\n")
	_, err := image(t, name, dir, "x", "").Start(t.Context(), Options{})
	if err == nil || !strings.Contains(err.Error(), "cannot be built") {
		t.Errorf("Start of what cannot be built: %v", err)
	}
	if left := leftovers(t, e); len(left) > 0 {
		t.Errorf("left of a build that failed: %v", left)
	}
	dockerfile(t, dir, "FROM scratch\n"+mark+"COPY image /image\nENTRYPOINT [\"/none\"]\n")
	if _, err = image(t, name, dir, "x", "").Start(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "server cannot be started") {
		t.Errorf("Start of what cannot run: %v", err)
	}
	if left := leftovers(t, e); len(left) > 0 {
		t.Errorf("left of a container that did not start: %v", left)
	}
	_, err = parse(t, "{name: "+name+", server: {image: {build: /none}}}").Start(t.Context(), Options{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start with a missing folder: %v; want os.ErrNotExist", err)
	}
}

func TestNothingIsLeftOfAContainerThatWasGivenUp(t *testing.T) {
	t.Parallel()
	_, name := docker(t)
	dir := folder(t)
	for _, at := range []time.Duration{0, 100 * time.Millisecond, 400 * time.Millisecond, time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), at)
		f := image(t, name, dir, "exit 0", "")
		f.Server.Args = "stubborn"
		f.Server.Ready.Log = "never"
		_, err := f.Start(ctx, Options{Grace: time.Millisecond})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Start, given up after %v: %v; want context.DeadlineExceeded", at, err)
		}
	}
}

func TestTheRemedyIsNamedWhereNoEngineAnswers(t *testing.T) {
	t.Parallel()
	api, err := client.New(client.WithHost("unix:///no/such/engine.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	err = answers(t.Context(), api)
	if ne, ok := errors.AsType[*NoEngineError](err); !ok || !strings.HasPrefix(ne.Error(), "no Docker engine answers (") || !strings.Contains(ne.Error(), "DOCKER_HOST") {
		t.Errorf("answers: %v; want *NoEngineError with the remedy", err)
	}
}

func TestContainersNeedLinux(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "linux" {
		t.Skip("not run: this is Linux")
	}
	if _, err := connect(t.Context(), "x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("connect: %v; want errors.ErrUnsupported", err)
	}
}

func TestLayersAreWhatABuildMadeItself(t *testing.T) {
	t.Parallel()
	const out = "Step 1/4 : FROM base\n ---> aaa\nStep 2/4 : COPY x /\n ---> Using cache\n ---> bbb\n" +
		"Step 3/4 : RUN y\n ---> Running in 123\nRemoving intermediate container 123\n ---> ccc\nStep 4/4 : LABEL z=z\n ---> ddd\nSuccessfully built ddd\n"
	if got := layers(out); !slices.Equal(got, []string{"ccc", "ddd"}) {
		t.Errorf("layers = %q; want ccc and ddd", got)
	}
}

func TestAContainersEndReadsLikeAChilds(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{0: "exit status 0", 3: "exit status 3", 127: "exit status 127", 137: "signal: killed", 143: "signal: terminated", 255: "exit status 255"} {
		if got := containerEnd(code).status; got != want {
			t.Errorf("containerEnd(%d) = %s; want %s", code, got, want)
		}
	}
}
