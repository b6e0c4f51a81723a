package rig

import (
	"context"
	"crypto/rand"
	"debug/elf"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/record"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// Dockerfile makes an image of adit-load from a folder with the static binary.
//
//go:embed adit-load.Dockerfile
var Dockerfile []byte

// A launcher starts adit-load's own roles: as processes, or in containers.
type launcher struct {
	self   string         // command line, quoted, of adit-load itself
	place  *subject.Place // nil: processes
	image  *subject.Image
	folder string // what image is built from
	token  string // of all control ports; empty on loopback
}

// tokenPath is where a container finds the token.
const tokenPath = "/token"

// newLauncher prepares what containers need: a network, a token, and what the image is made from.
func newLauncher(ctx context.Context, o Options) (_ *launcher, err error) {
	l := &launcher{self: o.Self}
	if o.Scenario.Runtime != scenario.Container {
		return l, nil
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	network, err := subject.NewNetwork(ctx, "adit-load "+o.Scenario.Name)
	if err != nil {
		return nil, err
	}
	l.token = rand.Text()
	l.place = &subject.Place{Network: network, Files: map[string]string{tokenPath: l.token}}
	if err := static(o.Executable); err != nil {
		return nil, err
	}
	if l.folder, err = os.MkdirTemp("", "adit-load-image-"); err != nil {
		return nil, err
	}
	if err := copyFile(filepath.Join(l.folder, "adit-load"), o.Executable); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(l.folder, "Dockerfile"), Dockerfile, 0o600); err != nil {
		return nil, err
	}
	l.image = &subject.Image{Build: l.folder}
	return l, nil
}

// static refuses a program that needs more than its own file: an image FROM scratch has nothing else.
func static(name string) error {
	f, err := elf.Open(name)
	if err != nil {
		return fmt.Errorf("runtime container: adit-load is no program for Linux: %w", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("runtime container: %s needs libraries, which its image does not have: build it with CGO_ENABLED=0, as make build does", name)
		}
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// limits are those of a role in a container.
func limits(s *scenario.Scenario, role string, files uint64) subject.Limits {
	l := s.Limits[role]
	return subject.Limits{CPUs: float64(l.CPUs), Memory: int64(l.Memory), OpenFiles: files}
}

// A duty is one role of adit-load.
type duty struct {
	role  string
	args  string // its command line
	asked bool   // it has a control port, at {tunnel}
	ready string // what accepts connections when it is ready
}

var (
	targetDuty    = duty{"target", "target --listen {target} --control {tunnel}", true, "{target}"}
	generatorDuty = duty{"generator", "worker --listen {tunnel}", true, "{tunnel}"}
	relayDuty     = duty{"relay", "relay --listen {tunnel} --to {target}", false, "{tunnel}"}
	linkDuty      = duty{"link", "link --listen {visitor} --to {target} --control {tunnel}", true, "{tunnel}"}
)

// own starts adit-load itself in a role.
func (t *Topology) own(ctx context.Context, d duty, r record.Route, at subject.Addrs) (*subject.Instance, error) {
	f := &subject.File{Name: d.role, Tunnel: "auto", Visitor: "auto", Target: "auto"}
	o := subject.Options{At: at}
	if t.launcher.place == nil {
		f.Server = &subject.Role{Command: t.launcher.self + " " + d.args, Ready: &subject.Ready{TCP: d.ready}}
	} else {
		f.Server = &subject.Role{Image: t.launcher.image, Args: d.args}
		if d.asked {
			f.Server.Args += " --token-file " + tokenPath
		}
		if d.role == "target" { // reached by the other containers
			f.Server.Args += " --allow-remote"
		}
		place := *t.launcher.place
		place.Limits = map[string]subject.Limits{"server": limits(t.scenario, d.role, t.files)}
		place.Publish = d.asked
		o.Place = &place
	}
	in, err := f.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	t.others = append(t.others, in)
	t.add(in, d.role, r)
	return in, nil
}

// controlOf is where the leader reaches an instance's control port.
func controlOf(in *subject.Instance) string {
	if in.Published != "" {
		return in.Published
	}
	return in.At.Tunnel
}

// close removes what newLauncher made; the containers are gone.
func (l *launcher) close() error {
	var errs []error
	if l.place != nil {
		errs = append(errs, l.place.Network.Close())
	}
	if l.folder != "" {
		errs = append(errs, os.RemoveAll(l.folder))
	}
	return errors.Join(errs...)
}
