package subject

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	dockertypes "github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// label is on every container and image that is made here; its value is the
// subject's name.
const label = "adit.subject"

// engineTime bounds one request to the engine that must not be given up half way.
const engineTime = time.Minute

// buildTime bounds a build, which is not given up half way either.
const buildTime = 10 * time.Minute

// NoEngineError says that no Docker engine answers.
type NoEngineError struct{ Err error }

func (e *NoEngineError) Error() string {
	return fmt.Sprintf("no Docker engine answers (%v); start one, name it in DOCKER_HOST, or give the role a command instead of an image", e.Err)
}

func (e *NoEngineError) Unwrap() error { return e.Err }

// An engine is the Docker engine of this machine.
type engine struct {
	*testcontainers.DockerProvider
	subject string
}

// silenceLibrary keeps the library from writing to standard error.
var silenceLibrary = sync.OnceFunc(func() { tclog.SetDefault(tclog.NewNoopLogger()) })

// connect finds the engine.
func connect(ctx context.Context, subject string) (*engine, error) {
	if runtime.GOOS != "linux" {
		return nil, &UnsupportedError{"image on " + runtime.GOOS + ": containers share the network of the host here, which takes Linux; use command"}
	}
	silenceLibrary()
	p, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(tclog.NewNoopLogger()), testcontainers.WithDefaultBridgeNetwork("bridge"))
	if err != nil {
		return nil, &NoEngineError{err}
	}
	if err := answers(ctx, p.Client()); err != nil {
		_ = p.Close()
		return nil, err
	}
	return &engine{p, subject}, nil
}

func answers(ctx context.Context, api client.APIClient) error {
	if _, err := api.Ping(ctx, client.PingOptions{}); err != nil {
		return &NoEngineError{err}
	}
	return nil
}

// uninterrupted is a context for a request whose outcome must be known, even when ctx has ended.
func uninterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), engineTime)
}

// has makes sure that the engine has an image: nothing is pulled unasked.
func (e *engine) has(ctx context.Context, name string) error {
	_, err := e.Client().ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return fmt.Errorf("image %s: the engine does not have it; docker pull %s, or give {build: FOLDER}", name, name)
	}
	return err
}

// A build is an image that was built here, and the layers without a name that are below or beside it.
type build struct {
	name   string
	layers []string // oldest first
}

// build builds the image of a Dockerfile, which need not be in the folder.
func (e *engine) build(ctx context.Context, folder, dockerfile string) (*build, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	content, err := pack(folder, dockerfile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close(); _ = os.Remove(content.Name()) }()
	var out bytes.Buffer
	b := &build{name: "adit-subject:" + strings.ToLower(rand.Text())}
	repo, tag, _ := strings.Cut(b.name, ":")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), buildTime) // an engine that is interrupted leaves half a step
	defer cancel()
	_, err = e.BuildImage(ctx, &testcontainers.ContainerRequest{
		FromDockerfile: testcontainers.FromDockerfile{ContextArchive: content, Dockerfile: packed, Repo: repo, Tag: tag, BuildLogWriter: &out},
		Labels:         e.labels(),
	})
	b.layers = layers(out.String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot be built: %w", err), e.unbuild(b))
	}
	return b, nil
}

func (e *engine) labels() map[string]string { return map[string]string{label: e.subject} }

// unbuild removes what build made.
func (e *engine) unbuild(b *build) error {
	ctx, cancel := uninterrupted(context.Background())
	defer cancel()
	_, err := e.Client().ImageRemove(ctx, b.name, client.ImageRemoveOptions{Force: true, PruneChildren: true})
	for _, id := range slices.Backward(b.layers) { // most are gone with it; somebody else's image may rest on one
		_, _ = e.Client().ImageRemove(ctx, id, client.ImageRemoveOptions{})
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// layers are the images that a build's output names, but for those that it found: bases and cached steps.
func layers(out string) (ids []string) {
	found := false
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		line := s.Text()
		if step, ok := strings.CutPrefix(line, "Step "); ok {
			_, what, _ := strings.Cut(step, " : ")
			found = strings.HasPrefix(strings.ToUpper(what), "FROM ")
		} else if id, ok := strings.CutPrefix(line, " ---> "); ok {
			if id = strings.TrimSpace(id); id == "Using cache" {
				found = true
			} else if !found && id != "" && !strings.Contains(id, " ") {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// packed is the name of the Dockerfile within what is sent.
const packed = ".adit.Dockerfile"

// pack writes a folder and a Dockerfile into a tar archive, a temporary file.
func pack(folder, dockerfile string) (_ *os.File, err error) {
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "adit-build-*.tar")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(folder)); err != nil {
		return nil, err
	}
	if err := w.WriteHeader(&tar.Header{Name: packed, Mode: 0o644, Size: int64(len(text))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}

// A container is a program that runs from an image: in the network of the
// host, where every address is what it is for a command, or at its placement of
// another one. {dir} is a volume of its own. It is made at its first start and stays, with all that it wrote, until
// it is removed.
type container struct {
	subject   string
	image     *Image
	here, dir string
	args, env []string
	at        *placement        // nil: in the network of the host
	files     map[string]string // that are there before the first start

	engine *engine
	made   *testcontainers.DockerContainer
	taken  bool // the image is
}

// with is the same program with one more variable; nothing of it has been made.
func (c *container) with(variable string) program {
	return &container{
		subject: c.subject, image: c.image, here: c.here, dir: c.dir,
		args: c.args, env: append(slices.Clip(c.env), variable), at: c.at, files: c.files,
	}
}

func (c *container) String() string {
	return strings.Join(append([]string{"image " + c.image.String()}, c.args...), " ")
}

// make makes the container, if that was not done before.
func (c *container) make(ctx context.Context) (err error) {
	if c.made != nil {
		return nil
	}
	if c.engine == nil {
		if c.engine, err = connect(ctx, c.subject); err != nil {
			return err
		}
	}
	image, err := c.image.take(ctx, c.engine, c.here)
	if err != nil {
		return err
	}
	c.taken = true
	env := map[string]string{}
	for _, v := range c.env {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	ctx, cancel := uninterrupted(ctx) // a container that is made after its request was given up would stay
	defer cancel()
	request := testcontainers.ContainerRequest{
		Image: image, Cmd: c.args, Env: env, Labels: c.engine.labels(),
		ConfigModifier:     func(cfg *dockertypes.Config) { cfg.Volumes = map[string]struct{}{c.dir: {}} },
		HostConfigModifier: func(h *dockertypes.HostConfig) { h.NetworkMode = "host" },
	}
	if c.at != nil {
		if err := c.at.shape(ctx, c.engine, &request); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		request.Files = append(request.Files, testcontainers.ContainerFile{Reader: strings.NewReader(c.files[name]), ContainerFilePath: name, FileMode: 0o600})
	}
	made, err := c.engine.CreateContainer(ctx, request)
	if d, ok := made.(*testcontainers.DockerContainer); ok {
		if c.made = d; err != nil { // made, but its reaper is not there
			return fmt.Errorf("%w; where the reaper's image cannot be pulled set TESTCONTAINERS_RYUK_DISABLED=true: what is made here is removed here, unless this program is killed", err)
		}
	}
	return err
}

// put writes a file for the program: into the container, once it is made.
func (c *container) put(path, text string) error {
	if c.made == nil {
		c.files[path] = text
		return nil
	}
	ctx, cancel := uninterrupted(context.Background())
	defer cancel()
	return c.made.CopyToContainer(ctx, []byte(text), path, 0o600)
}

// shape makes a container one of its placement.
func (s *placement) shape(ctx context.Context, e *engine, r *testcontainers.ContainerRequest) error {
	host, err := netip.ParseAddr(s.host)
	if err != nil {
		return err
	}
	r.Networks = []string{s.Network.Name}
	r.EndpointSettingsModifier = func(m map[string]*network.EndpointSettings) {
		if m[s.Network.Name] != nil { // else the engine refuses the container: the network is gone
			m[s.Network.Name].IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: host}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		r.Files = append(r.Files, testcontainers.ContainerFile{Reader: strings.NewReader(s.Files[name]), ContainerFilePath: name, FileMode: 0o444})
	}
	from := netip.Addr{} // all addresses of a machine that is not this one
	if daemon, err := e.DaemonHost(ctx); err != nil {
		return err
	} else if daemon == "localhost" || daemon == loopback.String() {
		from = loopback
	}
	if s.publish != "" {
		r.ExposedPorts = []string{s.publish + "/tcp"}
	}
	r.HostConfigModifier = func(h *dockertypes.HostConfig) {
		h.NetworkMode = dockertypes.NetworkMode(s.Network.Name)
		h.NanoCPUs, h.Memory, h.MemorySwap = int64(s.limits.CPUs*1e9), s.limits.Memory, s.limits.Memory
		if n := int64(s.limits.OpenFiles); n > 0 {
			h.Ulimits = []*dockertypes.Ulimit{{Name: "nofile", Soft: n, Hard: n}}
		}
		if s.publish != "" {
			h.PortBindings = network.PortMap{network.MustParsePort(s.publish + "/tcp"): {{HostIP: from}}}
		}
	}
	return nil
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// reachable is where this machine reaches the published port.
func (s *placement) reachable(ctx context.Context, e *engine, ports network.PortMap) (string, error) {
	of := ports[network.MustParsePort(s.publish+"/tcp")]
	if len(of) == 0 {
		return "", fmt.Errorf("port %s was not published", s.publish)
	}
	daemon, err := e.DaemonHost(ctx)
	if err != nil {
		return "", err
	}
	var errs []error
	for _, host := range []string{daemon, loopback.String()} { // inside a container the first may be a guess
		addr := net.JoinHostPort(host, of[0].HostPort)
		c, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", addr)
		if err == nil {
			return addr, c.Close()
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("published port %s: %w; TESTCONTAINERS_HOST_OVERRIDE names the engine's host", s.publish, errors.Join(errs...))
}

// start makes the container if there is none, and runs it.
func (c *container) start(ctx context.Context, log io.Writer) (_ run, err error) {
	if err := c.make(ctx); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	api, r := c.engine.Client(), &containerRun{engine: c.engine, id: c.made.ID}
	short, done := uninterrupted(ctx)
	defer done()
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.cancel = cancel
	output, err := api.ContainerAttach(short, r.id, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		cancel()
		return nil, err
	}
	r.output = output.HijackedResponse
	r.copying.Go(func() { _, _ = stdcopy.StdCopy(log, log, r.output.Reader) })
	r.ended = api.ContainerWait(life, r.id, client.ContainerWaitOptions{Condition: dockertypes.WaitConditionNextExit})
	if _, err := api.ContainerStart(short, r.id, client.ContainerStartOptions{}); err != nil {
		r.release(0)
		return nil, err
	}
	is, err := api.ContainerInspect(short, r.id, client.ContainerInspectOptions{})
	if err == nil && is.Container.State != nil {
		r.number, r.image = is.Container.State.Pid, is.Container.Image
	}
	if err == nil && c.at != nil && c.at.publish != "" && r.number > 0 { // one that has ended has no ports
		r.published, err = c.at.reachable(short, c.engine, is.Container.NetworkSettings.Ports)
	}
	if err != nil {
		_ = r.signal(syscall.SIGKILL)
		r.wait()
		return nil, err
	}
	return r, nil
}

// remove removes the container with its volumes, and the image when it was built here.
func (c *container) remove() error {
	if c.engine == nil {
		return nil
	}
	var errs []error
	if c.made != nil {
		ctx, cancel := uninterrupted(context.Background())
		defer cancel()
		errs = append(errs, testcontainers.TerminateContainer(c.made, testcontainers.StopContext(ctx), testcontainers.StopTimeout(0)))
		c.made = nil
	}
	if c.taken {
		errs = append(errs, c.image.drop(c.engine))
		c.taken = false
	}
	return errors.Join(append(errs, c.engine.Close())...)
}

// A containerRun is one run of a container. One goroutine copies its output.
type containerRun struct {
	engine *engine
	id     string
	number int
	image  string // its ID

	published string // address of the published port
	output    client.HijackedResponse
	copying   sync.WaitGroup
	ended     client.ContainerWaitResult
	cancel    context.CancelFunc // of the wait for the end
}

func (r *containerRun) pid() int { return r.number }

func (r *containerRun) signal(sig syscall.Signal) error {
	ctx, cancel := uninterrupted(context.Background())
	defer cancel()
	_, err := r.engine.Client().ContainerKill(ctx, r.id, client.ContainerKillOptions{Signal: fmt.Sprint(int(sig))})
	return err
}

func (r *containerRun) wait() end {
	var e end
	select {
	case res := <-r.ended.Result:
		e = containerEnd(int(res.StatusCode))
	case err := <-r.ended.Error:
		e = end{-1, fmt.Sprintf("the engine lost it: %v", err)}
	}
	r.release(engineTime)
	return e
}

// release takes the rest of the output, for a while, and ends what follows the run.
func (r *containerRun) release(patience time.Duration) {
	_ = r.output.Conn.SetReadDeadline(time.Now().Add(patience))
	r.copying.Wait()
	r.output.Close()
	r.cancel()
}

// containerEnd says it as for a child: an engine adds 128 to a signal.
func containerEnd(code int) end {
	if code > 128 && code < 128+65 {
		return end{-1, "signal: " + syscall.Signal(code-128).String()}
	}
	return end{code, fmt.Sprintf("exit status %d", code)}
}
