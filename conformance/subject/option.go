package subject

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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

// An optionKind is one of the options that a subject file may have.
type optionKind struct {
	name string // its key
	of   func(*File) *Option
	any  map[string][]string // by role: of these placeholders it has to use one; a role that is not there has no such option
}

// optionPublish is the option whose server gives ports to its clients.
const optionPublish = "publish"

// placeholders of options, by which roles get what the suite makes.
var (
	ofKeys = map[string][]string{"server": {"{keys}"}, "client": {"{key}", "{key.file}"}}
	ofTLS  = []string{"{cert}", "{cert.key}", "{client.ca}", "{ca}", "{pin}", "{client.cert}", "{client.key}"}
)

var optionKinds = []optionKind{
	{"key", func(f *File) *Option { return f.Key }, ofKeys},
	{"tls", func(f *File) *Option { return f.TLS }, map[string][]string{"server": {"{cert}"}, "client": {"{ca}", "{pin}"}}},
	{"tls_pin", func(f *File) *Option { return f.TLSPin }, map[string][]string{"client": {"{pin}"}}},
	{"tls_client_cert", func(f *File) *Option { return f.TLSClientCert }, map[string][]string{"server": {"{client.ca}"}}},
	{"tls_key", func(f *File) *Option { return f.TLSKey }, ofKeys},
	{optionPublish, func(f *File) *Option { return f.Publish }, map[string][]string{"server": {"{bind.first}"}, "client": {"{target}"}}},
}

// Options are the names of the options for which the file says how a role is started.
func (f *File) Options(role string) (names []string) {
	for _, k := range optionKinds {
		if k.of(f).of(role) != "" {
			names = append(names, k.name)
		}
	}
	return names
}

// option is the one of that name.
func (f *File) option(name string) *Option {
	for _, k := range optionKinds {
		if k.name == name {
			return k.of(f)
		}
	}
	return nil
}

// with are the values for a subject that is started for an option.
func (v values) with(o Options) values {
	v.option = map[string]string{"{pin}": o.Pin}
	if len(o.Keys) > 0 {
		v.option["{keys}"], v.option["{key}"], v.option["{key.file}"] = filepath.Join(v.dir, fileOfKeys), o.Keys[0], filepath.Join(v.dir, fileOfKey)
	}
	for name := range o.Files {
		v.option["{"+name+"}"] = filepath.Join(v.dir, name)
	}
	if v.bind[0] > 0 {
		v.option["{bind.first}"], v.option["{bind.last}"] = strconv.Itoa(v.bind[0]), strconv.Itoa(v.bind[1])
	}
	return v
}

// checkOptions refuses options that cannot be used.
func (f *File) checkOptions(doc *Document) error {
	for _, k := range optionKinds {
		if err := f.checkOption(doc, k); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) checkOption(doc *Document, k optionKind) error {
	option, made := k.of(f), Options{Pin: "pin", Files: map[string]string{}}
	if option == nil {
		return nil
	}
	for _, p := range ofTLS {
		if strings.HasPrefix(k.name, "tls") && p != "{pin}" {
			made.Files[p[1:len(p)-1]] = ""
		}
	}
	if strings.HasSuffix(k.name, "key") || k.name == optionPublish {
		made.Keys = []string{"adit1:x:x"}
	}
	for _, r := range []struct {
		name string
		role *Role
	}{{"server", f.Server}, {"client", f.Client}} {
		args, field := option.of(r.name), k.name+"."+r.name
		switch {
		case args == "":
			continue
		case k.any[r.name] == nil:
			return doc.Errorf(field, "a %s is not started for %s; leave it out", r.name, k.name)
		case r.role == nil:
			return doc.Errorf(field, "the file has no %s", r.name)
		case r.role.Address != "":
			return doc.Errorf(field, "somebody else starts the %s: the suite cannot give it keys or certificates", r.name)
		case !slices.ContainsFunc(k.any[r.name], func(p string) bool { return strings.Contains(args, p) }):
			return doc.Errorf(field, "must use %s, by which the %s gets what the suite made", strings.Join(k.any[r.name], " or "), r.name)
		}
		v := f.example()
		if k.name == optionPublish {
			v.bind = [2]int{20001, 20099}
		}
		if r.role.Image != nil {
			v.here = ""
		}
		if _, err := v.with(made).args(args); err != nil {
			return doc.Errorf(field, "%v", err)
		}
	}
	if option.Server == "" && option.Client == "" {
		return doc.Errorf(k.name, "needs %s: the arguments that are appended where a case needs the option",
			strings.Join(slices.Sorted(maps.Keys(k.any)), ", "))
	}
	return nil
}

// name is that of the option which a subject is started for; empty: it is started as its commands say.
func (o Options) name() string {
	if o.Option == "" && len(o.Keys) > 0 {
		return "key"
	}
	return o.Option
}

// appended are the words that a role is started with beyond its own.
func (f *File) appended(role string, v values, o Options) ([]string, error) {
	name := o.name()
	if name == "" {
		return nil, nil
	}
	args := f.option(name).of(role)
	if args == "" {
		return nil, &UnsupportedError{fmt.Sprintf("a %s for the option %s: say in %s.%s how it is started", role, name, name, role)}
	}
	words, err := v.with(o).args(args)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", name, role, err)
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

// putFiles writes what a program that is not started yet will find.
func (in *Instance) putFiles(o Options) error {
	var errs []error
	for _, p := range in.Processes() {
		for _, name := range slices.Sorted(maps.Keys(o.Files)) {
			errs = append(errs, p.program.put(in.at(name), o.Files[name]))
		}
	}
	if len(o.Keys) > 0 && in.Server != nil {
		errs = append(errs, in.SetKeys(o.Keys))
	}
	if len(o.Keys) > 0 && in.Client != nil {
		errs = append(errs, in.Client.program.put(in.at(fileOfKey), lines(o.Keys[:1])))
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
