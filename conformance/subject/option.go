package subject

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An Option says how a server and a client are started when a case needs something of them that they do not do by themselves:
// by arguments that are appended to the role's command, or to the args of its image. It has placeholders of its own.
type Option struct {
	Server string `yaml:"server"`
	Client string `yaml:"client"`
}

// of is what an option appends for a role.
func (o *Option) of(role string) string {
	switch {
	case o == nil:
		return ""
	case role == "server":
		return o.Server
	}
	return o.Client
}

// Files that the suite writes into {dir} of a subject that is started with keys: for its owner alone.
const (
	fileOfKeys = "keys" // all of them, one a line
	fileOfKey  = "key"  // the client's
)

// placeholders of the option key.
const (
	keysPlace    = "{keys}"
	keyPlace     = "{key}"
	keyFilePlace = "{key.file}"
)

// withKeys are the values for a subject that is started with keys.
func (v values) withKeys(keys []string) values {
	v.option = map[string]string{
		keysPlace: filepath.Join(v.dir, fileOfKeys), keyPlace: keys[0], keyFilePlace: filepath.Join(v.dir, fileOfKey),
	}
	return v
}

// checkOptions refuses options that cannot be used.
func (f *File) checkOptions(doc *Document) error {
	if f.Key == nil {
		return nil
	}
	for _, r := range []struct {
		name string
		role *Role
		any  []string // of these placeholders it has to use one
	}{{"server", f.Server, []string{keysPlace}}, {"client", f.Client, []string{keyPlace, keyFilePlace}}} {
		args, field := f.Key.of(r.name), "key."+r.name
		switch {
		case args == "":
			continue
		case r.role == nil:
			return doc.Errorf(field, "the file has no %s", r.name)
		case r.role.Address != "":
			return doc.Errorf(field, "somebody else starts the %s: the suite cannot give it keys", r.name)
		case !slices.ContainsFunc(r.any, func(p string) bool { return strings.Contains(args, p) }):
			return doc.Errorf(field, "must use %s, by which the %s gets what the suite made", strings.Join(r.any, " or "), r.name)
		}
		v := f.example()
		if r.role.Image != nil {
			v.here = ""
		}
		if _, err := v.withKeys([]string{"adit1:x:x"}).args(args); err != nil {
			return doc.Errorf(field, "%v", err)
		}
	}
	if f.Key.Server == "" && f.Key.Client == "" {
		return doc.Errorf("key", "needs server, client or both: the arguments with which they ask for a key")
	}
	return nil
}

// Keyed reports whether the file says how a role that it has is started with keys.
func (f *File) Keyed(role string) bool { return f.Key.of(role) != "" }

// appended are the words that a role is started with beyond its own.
func (f *File) appended(role string, v values, o Options) ([]string, error) {
	if len(o.Keys) == 0 {
		return nil, nil
	}
	if !f.Keyed(role) {
		return nil, &UnsupportedError{fmt.Sprintf("a %s with keys: say in key.%s how it is started", role, role)}
	}
	words, err := v.withKeys(o.Keys).args(f.Key.of(role))
	if err != nil {
		return nil, fmt.Errorf("key.%s: %w", role, err)
	}
	return words, nil
}

// SetKeys gives a server that runs with keys others, all at once: it is up to it to take notice that its file has changed.
func (in *Instance) SetKeys(keys []string) error {
	if in.Server == nil {
		return errors.New("no server was started here")
	}
	return in.Server.program.put(in.at(fileOfKeys), lines(keys))
}

// at is the path of a file in {dir}.
func (in *Instance) at(name string) string { return filepath.Join(in.Dir, name) }

// putKeys writes the files that a program which is not started yet will find.
func (in *Instance) putKeys(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	var errs []error
	if in.Server != nil {
		errs = append(errs, in.SetKeys(keys))
	}
	if in.Client != nil {
		errs = append(errs, in.Client.program.put(in.at(fileOfKey), lines(keys[:1])))
	}
	return errors.Join(errs...)
}

func lines(all []string) string { return strings.Join(all, "\n") + "\n" }

// put writes a file in one step: whoever reads it has the old one or the new one, whole.
func (command) put(path, text string) error {
	part := path + ".new"
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}
