package subject

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// An Image is what the containers of a role are made from: the name of one that
// the engine has, or a folder to build it from. What was built is kept while a
// container needs it, and removed with the last of them.
type Image struct {
	Name       string
	Build      string // the folder; all of it is sent to the engine
	Dockerfile string // empty: Dockerfile in that folder

	mu    sync.Mutex
	users int    // containers that need what was built; guards below
	built *build // nil: nothing is there now
}

// UnmarshalYAML reads a name, or {build: FOLDER, dockerfile: FILE}.
func (i *Image) UnmarshalYAML(node ast.Node) error {
	if _, ok := node.(ast.MapNode); !ok {
		return yaml.NodeToValue(node, &i.Name)
	}
	var b struct {
		Build      string `yaml:"build"`
		Dockerfile string `yaml:"dockerfile"`
	}
	err := yaml.NodeToValue(node, &b, yaml.Strict())
	i.Build, i.Dockerfile = b.Build, b.Dockerfile
	return err
}

func (i *Image) String() string { return cmp.Or(i.Name, i.Build) }

// take makes the image ready for one more container and returns its name; drop is due then.
func (i *Image) take(ctx context.Context, e *engine, here string) (string, error) {
	if i.Name != "" {
		return i.Name, e.has(ctx, i.Name)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.built == nil {
		folder := strings.ReplaceAll(i.Build, "{here}", here)
		file := cmp.Or(strings.ReplaceAll(i.Dockerfile, "{here}", here), filepath.Join(folder, "Dockerfile"))
		var err error
		if i.built, err = e.build(ctx, folder, file); err != nil {
			return "", fmt.Errorf("image of %s: %w", file, err)
		}
	}
	i.users++
	return i.built.name, nil
}

// drop undoes take.
func (i *Image) drop(e *engine) error {
	if i.Name != "" {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.users--; i.users > 0 {
		return nil
	}
	b := i.built
	i.built = nil
	return e.unbuild(b)
}

// What a role's image is told, and what it may say.
const (
	imageReady   = `(?i)\bready\b` // the line that is waited for when a role says nothing else
	scenario     = "ADIT_SCENARIO"
	notSupported = 127 // exit status
	probeTime    = 10 * time.Second
)

// contract is the variables that every image of a role finds.
func contract(role string, at Addrs, scene string) []string {
	env := []string{"ADIT_ROLE=" + role}
	for _, v := range []struct{ name, value string }{
		{map[string]string{"server": "ADIT_TUNNEL", "client": "ADIT_SERVER"}[role], at.Tunnel},
		{"ADIT_VISITOR", at.Visitor},
		{"ADIT_TARGET", at.Target},
		{"ADIT_API", at.API},
		{scenario, scene},
	} {
		if v.value != "" {
			env = append(env, v.name+"="+v.value)
		}
	}
	return env
}

// container is the program of a role that has an image.
func (f *File) container(name string, r *Role, v values, o Options) (program, error) {
	inside := v
	inside.here = "" // of the host
	args, err := inside.args(r.Args)
	if err != nil {
		return nil, fmt.Errorf("%s.args: %w", name, err)
	}
	env, err := f.environment(r.Env, inside)
	if err != nil {
		return nil, err
	}
	return &container{
		subject: f.Name, image: r.Image, here: v.here, dir: v.dir,
		args: args, env: append(contract(name, v.at, o.Scenario), env...),
	}, nil
}

// believe judges an image that ended before it was ready. Exit status 127 says
// that it does not support this role or scenario, but a shell says the same of
// a missing command in one place, and an image that knows its scenarios says it
// of one that does not exist: only then it is believed.
func (c *container) believe(ctx context.Context, p *Process, early error) error {
	if p.ended().code != notSupported {
		return early
	}
	probe := newProcess(p.Name, c.with(scenario+"="+rand.Text()), Options{Grace: p.grace})
	said := false
	if err := probe.start(ctx); err == nil {
		patience := time.NewTimer(probeTime)
		defer patience.Stop()
		select {
		case <-probe.Exited():
			said = probe.ended().code == notSupported
		case <-patience.C: // it takes any scenario for its own
		case <-ctx.Done():
		}
		probe.End(true)
	}
	if err := probe.close(); err != nil {
		return err
	}
	if !said {
		return fmt.Errorf("%w\n    (exit status 127 means \"not supported\" from an image that gives it to a scenario that does not exist, too; this one does not)", early)
	}
	return &UnsupportedError{fmt.Sprintf("image %s answers exit status 127 as %s", c.image, p.Name)}
}
