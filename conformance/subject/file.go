package subject

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const auto = "auto"

// Given is an address of a subject file; empty when it is left to the suite.
func Given(addr string) string {
	if addr == auto {
		return ""
	}
	return addr
}

// A File is what a subject file says.
type File struct {
	Name          string            `yaml:"name"`
	Server        *Role             `yaml:"server"`
	Client        *Role             `yaml:"client"`
	Tunnel        string            `yaml:"tunnel"`
	Visitor       string            `yaml:"visitor"`
	Target        string            `yaml:"target"`
	API           string            `yaml:"api"`
	Prepare       string            `yaml:"prepare"`
	Ready         *Ready            `yaml:"ready"`
	Env           map[string]string `yaml:"env"`
	Version       string            `yaml:"version"`
	Needs         []string          `yaml:"needs"` // programs
	Capabilities  []string          `yaml:"capabilities"`
	Fresh         bool              `yaml:"fresh"`           // no case on an instance that served another
	Key           *Option           `yaml:"key"`             // how its roles ask for a key (section 30)
	TLS           *Option           `yaml:"tls"`             // how they encrypt (section 31)
	TLSPin        *Option           `yaml:"tls_pin"`         // how a client encrypts, and knows its server by a pin
	TLSClientCert *Option           `yaml:"tls_client_cert"` // how a server encrypts, and asks for clients' certificates
	TLSKey        *Option           `yaml:"tls_key"`         // how they encrypt, and ask for a key
	Publish       *Option           `yaml:"publish"`         // how they ask for a key, and have the option bind (section 32)

	here string // folder of the file
}

// A Role says how to get a server or a client: one of command, address and image.
type Role struct {
	Command string            `yaml:"command"`
	Address string            `yaml:"address"`
	Image   *Image            `yaml:"image"`
	Args    string            `yaml:"args"` // of the image
	Env     map[string]string `yaml:"env"`
	Ready   *Ready            `yaml:"ready"`
}

// Ready is when something can be used: all conditions that are given.
type Ready struct {
	TCP    string   `yaml:"tcp"`
	HTTP   string   `yaml:"http"`
	Log    string   `yaml:"log"`
	Within Duration `yaml:"within"` // 0: 10 s
}

// Load reads and checks a subject file. Errors in it are *FileError.
func Load(name string) (*File, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("subject file: %w", err)
	}
	return Parse(name, data)
}

// Parse is Load for a file that is in memory; name says whose folder {here} is.
func Parse(name string, data []byte) (*File, error) {
	here, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	f := &File{here: here}
	doc, err := Decode(name, data, f)
	if err != nil {
		return nil, err
	}
	if err := f.check(doc); err != nil {
		return nil, err
	}
	f.defaults()
	return f, nil
}

// Command is a client that is given by its command line alone: {addr} is the
// server's address, {target} the service's. Each Start starts it anew.
func Command(line string) (*File, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	f := &File{Name: line, Client: &Role{Command: line}, here: here}
	if err := f.checkCommand(line); err != nil {
		return nil, fmt.Errorf("client command %q: %w", line, err)
	}
	f.defaults()
	return f, nil
}

// Address is a server that somebody else runs.
func Address(at Addrs) (*File, error) {
	for name, addr := range map[string]string{"server": at.Tunnel, "visitor": at.Visitor, "target": at.Target, "api": at.API} {
		if err := checkAddr(addr); addr != "" && err != nil {
			return nil, fmt.Errorf("%s address %q: %w", name, addr, err)
		}
	}
	if at.Tunnel == "" {
		return nil, fmt.Errorf("server address: is missing; give host:port")
	}
	return &File{Name: at.Tunnel, Server: &Role{Address: at.Tunnel}, Visitor: at.Visitor, Target: at.Target, API: at.API}, nil
}

// Fixed are the keys of the addresses that every instance of what is started here would have.
func (f *File) Fixed() (keys []string) {
	if f.Server != nil && f.Server.Address != "" { // they are those of somebody else's server
		return nil
	}
	for _, a := range []struct{ key, addr string }{{"tunnel", f.Tunnel}, {"visitor", f.Visitor}, {"target", f.Target}, {"api", f.API}} {
		if Given(a.addr) != "" {
			keys = append(keys, a.key)
		}
	}
	return keys
}

// Missing is those of the programs that the subject needs which are not installed.
func (f *File) Missing() []string {
	return slices.DeleteFunc(slices.Clone(f.Needs), func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	})
}

// Programs are the programs of the commands of server and client, as they are written.
func (f *File) Programs() (programs []string) {
	for _, r := range []*Role{f.Server, f.Client} {
		if r == nil || r.Command == "" {
			continue
		}
		if words, err := split(r.Command); err == nil { // Parse refuses others
			programs = append(programs, words[0])
		}
	}
	return programs
}

// defaults fills in addresses that the file leaves open. One that somebody
// else's server has cannot be chosen here.
func (f *File) defaults() {
	f.Tunnel = cmp.Or(f.Tunnel, auto)
	f.Target = cmp.Or(f.Target, auto)
	if f.Server == nil || f.Server.Address == "" {
		f.Visitor = cmp.Or(f.Visitor, auto)
	}
}

func (f *File) check(doc *Document) error {
	if f.Name == "" {
		return doc.Errorf("name", "is missing; name the subject")
	}
	if f.Server == nil && f.Client == nil {
		return doc.Errorf("", "needs a server, a client or both")
	}
	for _, r := range []struct {
		name string
		role *Role
	}{{"server", f.Server}, {"client", f.Client}} {
		if r.role == nil {
			continue
		}
		if err := f.checkRole(doc, r.name, r.role); err != nil {
			return err
		}
	}
	if f.Client != nil && f.Client.Address != "" {
		return doc.Errorf("client.address", "a client has no address; use command")
	}
	for _, a := range []struct{ field, addr string }{
		{"tunnel", f.Tunnel}, {"visitor", f.Visitor}, {"target", f.Target}, {"api", f.API},
	} {
		if a.addr == "" || a.addr == auto {
			continue
		}
		if err := checkAddr(a.addr); err != nil {
			return doc.Errorf(a.field, "%q: %v, or auto", a.addr, err)
		}
	}
	if f.Prepare != "" {
		if err := f.checkCommand(f.Prepare); err != nil {
			return doc.Errorf("prepare", "%v", err)
		}
	}
	if f.Version != "" {
		if _, err := f.versionCommand(); err != nil {
			return doc.Errorf("version", "%v", err)
		}
	}
	for i, program := range f.Needs {
		if program == "" || strings.ContainsAny(program, " \t{}") {
			return doc.Errorf(fmt.Sprintf("needs[%d]", i), "%q must be the name of one program, or its path", program)
		}
	}
	if err := checkEnv(doc, "env", f.Env, f.example()); err != nil {
		return err
	}
	if err := f.checkOptions(doc); err != nil {
		return err
	}
	return f.checkReady(doc, "ready", f.Ready)
}

func (f *File) checkRole(doc *Document, name string, r *Role) error {
	given := 0
	for _, has := range []bool{r.Command != "", r.Address != "", r.Image != nil} {
		if has {
			given++
		}
	}
	if given != 1 {
		return doc.Errorf(name, "needs exactly one of command, address and image")
	}
	if r.Image != nil {
		return f.checkImage(doc, name, r)
	}
	if r.Args != "" {
		return doc.Errorf(name+".args", "is for an image; write arguments into command")
	}
	if r.Command != "" {
		if err := f.checkCommand(r.Command); err != nil {
			return doc.Errorf(name+".command", "%v", err)
		}
	}
	if r.Address != "" {
		if err := checkAddr(r.Address); err != nil {
			return doc.Errorf(name+".address", "%q: %v", r.Address, err)
		}
	}
	if err := checkEnv(doc, name+".env", r.Env, f.example()); err != nil {
		return err
	}
	return f.checkReady(doc, name+".ready", r.Ready)
}

func (f *File) checkImage(doc *Document, name string, r *Role) error {
	if (r.Image.Name == "") == (r.Image.Build == "") {
		return doc.Errorf(name+".image", "must be the name of an image, or {build: FOLDER, dockerfile: FILE}")
	}
	if err := onlyHere("an image", r.Image.Build, r.Image.Dockerfile); err != nil {
		return doc.Errorf(name+".image", "%v", err)
	}
	inside := f.example()
	inside.here = ""
	if _, err := inside.args(r.Args); err != nil {
		return doc.Errorf(name+".args", "%v", err)
	}
	for field, env := range map[string]map[string]string{"env": f.Env, name + ".env": r.Env} {
		if err := checkEnv(doc, field, env, inside); err != nil {
			return err
		}
	}
	return f.checkReady(doc, name+".ready", r.Ready)
}

func (f *File) checkReady(doc *Document, name string, r *Ready) error {
	switch {
	case r == nil:
		return nil
	case r.TCP == "" && r.HTTP == "" && r.Log == "":
		return doc.Errorf(name, "needs at least one of tcp, http and log")
	case r.Within < 0:
		return doc.Errorf(name+".within", "%v: must not be negative", r.Within)
	}
	for _, c := range []struct{ field, text string }{{".tcp", r.TCP}, {".http", r.HTTP}} {
		if _, err := f.example().fill(c.text); err != nil {
			return doc.Errorf(name+c.field, "%v", err)
		}
	}
	if _, err := regexp.Compile(r.Log); err != nil {
		return doc.Errorf(name+".log", "%v", err)
	}
	return nil
}

func checkEnv(doc *Document, name string, env map[string]string, v values) error {
	for k, text := range env {
		if k == "" || strings.ContainsAny(k, "=\x00") {
			return doc.Errorf(name, "%q cannot name a variable", k)
		}
		if _, err := v.fill(text); err != nil {
			return doc.Errorf(name+"."+k, "%v", err)
		}
	}
	return nil
}

func (f *File) checkCommand(line string) error {
	_, err := f.example().command(line)
	return err
}

// example has every value that the file gives, to check placeholders before anything is started.
func (f *File) example() values {
	const addr = "127.0.0.1:1"
	v := values{at: Addrs{Tunnel: addr, Visitor: addr, Target: addr, API: f.API}, dir: "/", here: "/"}
	if v.at.API == auto {
		v.at.API = addr
	}
	return v
}

// CheckAddr refuses what is not host:port; the host may be empty.
func CheckAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("must be host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("the port must be 1 to 65535")
	}
	return nil
}

// checkAddr is CheckAddr for an address that has to have a host.
func checkAddr(addr string) error {
	if strings.HasPrefix(addr, ":") {
		return errors.New("must be host:port")
	}
	return CheckAddr(addr)
}
