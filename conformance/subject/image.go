package subject

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

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

// container is the program of a role that has an image.
func (f *File) container(name string, r *Role, v values, o Options, at *placement) (program, error) {
	inside := v
	inside.here = "" // of the host
	args, err := inside.args(r.Args)
	if err != nil {
		return nil, fmt.Errorf("%s.args: %w", name, err)
	}
	more, err := f.appended(name, inside, o)
	if err != nil {
		return nil, err
	}
	env, err := f.environment(contract(name, v, o.Scenario), r.Env, inside)
	if err != nil {
		return nil, err
	}
	return &container{
		subject: f.Name, image: r.Image, here: v.here, dir: v.dir,
		args: append(args, more...), env: env, at: at, files: map[string]string{},
	}, nil
}
