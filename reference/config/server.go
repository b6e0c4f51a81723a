package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/access"
	"github.com/adit-tunnel/adit/reference/files"
	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/trust"
)

// Server is the configuration of adit-server.
type Server struct {
	// Map is read into Maps.
	Map       []string `yaml:"map" live:"yes" object:"mapping" help:"PORT, PORT=PORT or PORT=HOST:PORT that lead to a client, FROM-TO in the place of each PORT for many, or in the file an object with the fields of the API; mappings that live as long as the process, and need not be in port_range"`
	PortRange struct {
		From int `yaml:"from" live:"yes" default:"10000" range:"1 65535" help:"first port that can be mapped"`
		End  int `yaml:"end" live:"yes" default:"10100" range:"1 65535" help:"last port that can be mapped"`
	} `yaml:"port_range"`
	Memory   int    `yaml:"memory" range:"0 1099511627776" help:"received bytes that all tunnels together hold for slow visitors; 0: half of the machine's memory"` // WIN-008
	Protocol string `yaml:"protocol" default:"auto" oneof:"auto core extended" help:"profile spoken with clients: auto (extended with those that can), core, or extended (others are refused)"`
	Keys     string `yaml:"keys" default:"./data/keys" help:"file of clients' keys, which adit-server keygen NAME writes: only who has one of them is served, over TLS; read again when it changes; the default is used if it is there; empty: no keys are asked for"`
	Open     bool   `yaml:"open" help:"take clients without a key, from everywhere: needed to listen beyond this machine without keys and client_ca; with keys who has one proves it, and the others are served too"`
	Plain    bool   `yaml:"plain" help:"with keys: no TLS, here and at the clients; keeps strangers out, and nobody who stands between"`
	Balanced bool   `yaml:"tls_ends_before" help:"with keys: a balancer in front of this server ends the clients' TLS, and they have tls_ends_before too"` // AUTH-010
	Tunnel   struct {
		Enabled        bool     `yaml:"enabled" default:"true" help:"accept clients; false forwards directly only"`
		ListenHost     string   `yaml:"listen_host" help:"address that clients connect to; empty: all, or without keys, client_ca and open 127.0.0.1"`
		ListenPort     int      `yaml:"listen_port" default:"9000" range:"0 65535" help:"port that clients connect to; 0: any free one"`
		AllowedClients []string `yaml:"allowed_clients" live:"yes" help:"addresses or CIDRs that may connect as clients; empty: any"`
		TrustedProxies []string `yaml:"trusted_proxies" live:"yes" help:"addresses or CIDRs of balancers whose connections begin with a PROXY header, which names the client's address; empty: none"`
		ConnectRequest string   `yaml:"connect_request" default:"addressed" oneof:"addressed short" help:"form of ConnectRequest: addressed, or short (the client chooses the host)"`
		TargetOffset   *int     `yaml:"target_offset" live:"yes" range:"0 65535" help:"a mapping without target_port leads to its port less this; absent: port_range.from"`
		AllowBind      bool     `yaml:"allow_bind" live:"yes" default:"false" help:"clients without key or certificate may ask for public ports, too (--publish there)"`
		MaxTunnels     int      `yaml:"max_tunnels" live:"yes" default:"1024" range:"1 1048576" help:"clients at a time"`
		MaxConnections int      `yaml:"max_connections" live:"yes" default:"16384" range:"1 1048576" help:"connections of one tunnel at a time"`
		Queue          int      `yaml:"queue" live:"yes" limit:"queue" range:"65536 -" help:"bytes that wait for one slow visitor"`                                    // FLOW-001
		Window         int      `yaml:"window" live:"yes" limit:"window" range:"4096 1073741824" help:"bytes that a client may send on each new connection"`           // section 24
		Memory         int      `yaml:"memory" live:"yes" limit:"tunnel-memory" range:"- 1099511627776" help:"received bytes that one tunnel holds for slow visitors"` // WIN-008
		Timers         struct {
			ConnectTimeout time.Duration `yaml:"connect_timeout" limit:"connect-timeout" help:"waiting for a client's answer to a request"`       // OPEN-022
			BindHold       time.Duration `yaml:"bind_hold" live:"yes" limit:"bind-hold" help:"a public port is kept for its client that is gone"` // BIND-008
			DeadPeer       time.Duration `yaml:"dead_peer" limit:"dead-peer-server" help:"silence after which a client counts as dead"`           // ALIVE-005, ALIVE-006
			Timers         `yaml:",inline"`
		} `yaml:"timers"`
	} `yaml:"tunnel"`
	Visitors struct {
		ListenHost     string   `yaml:"listen_host" help:"address that mapped ports listen on; empty: all"`
		TrustedProxies []string `yaml:"trusted_proxies" live:"yes" help:"addresses or CIDRs of balancers whose connections begin with a PROXY header, which names the visitor's address; empty: none"`
		MaxConnections int      `yaml:"max_connections" live:"yes" default:"0" range:"0 1048576" help:"visitors of all mappings at a time; 0: no bound"`
		MaxPerAddress  int      `yaml:"max_per_address" live:"yes" default:"0" range:"0 1048576" help:"visitors of one address at a time, which of IPv6 is its first 64 bits; 0: no bound"`
	} `yaml:"visitors"`
	Direct struct {
		DialTimeout    time.Duration `yaml:"dial_timeout" live:"yes" default:"10s" range:"1ms 1h" help:"connecting to the target of a mapping without tunnel"`
		MaxConnections int           `yaml:"max_connections" live:"yes" default:"16384" range:"1 1048576" help:"direct connections at a time"`
	} `yaml:"direct"`
	API struct {
		ListenHost string `yaml:"listen_host" default:"127.0.0.1" help:"address of the HTTP API"`
		ListenPort int    `yaml:"listen_port" default:"8080" range:"0 65535" help:"port of the HTTP API; 0: any free one"`
		Profiling  string `yaml:"profiling" help:"HOST:PORT of this machine, like 127.0.0.1:6060, that serves profiles and execution traces at /debug/pprof/, for the role operate; empty: none"`
	} `yaml:"api"`
	Database struct {
		Path string `yaml:"path" default:"./data/mappings.db" help:"file that keeps the mappings"`
	} `yaml:"database"`
	Security struct {
		API struct {
			EnableAuth bool     `yaml:"enable_auth" help:"the API asks for a key or a token (adit-server apikey NAME); it listens beyond this machine in no other way"`
			KeysFile   string   `yaml:"keys_file" default:"./data/api-keys" help:"with enable_auth: file of the digests of API keys, which adit-server apikey NAME writes; read again when it changes"`
			JWTKeyFile string   `yaml:"jwt_key_file" help:"with enable_auth: file of the secret that JSON Web Tokens are made with (adit-server token NAME), or of a public key in PEM form; empty: no tokens; read again when it changes"`
			AllowedIPs []string `yaml:"allowed_ips" live:"yes" help:"addresses or CIDRs that may use the API, beside authentication and not in its place; empty: any"`
		} `yaml:"api"`
		Tunnel struct {
			EnableTLS bool   `yaml:"enable_tls" help:"take clients over TLS 1.3 alone, as with keys; without keys (--tls at the clients) needs cert_file and key_file"`
			CertFile  string `yaml:"cert_file" help:"PEM file of the server's certificate, and of those that lead to its authority; read again when it changes, like the two below; empty, with keys: one is made at each start"`
			KeyFile   string `yaml:"key_file" help:"PEM file of its private key"`
			ClientCA  string `yaml:"client_ca" help:"PEM file of authorities; only clients with a certificate of one of them are served"`
		} `yaml:"tunnel"`
		PortRange struct {
			Blacklist []int `yaml:"blacklist" live:"yes" range:"1 65535" help:"ports that cannot be mapped"`
		} `yaml:"port_range"`
	} `yaml:"security"`
	Web      Web      `yaml:"web"`
	Log      Log      `yaml:"log"`
	Shutdown Shutdown `yaml:"shutdown"`

	// File is the file of the configuration; "" without one.
	File string `yaml:"-"`
	// Maps is Map, parsed.
	Maps []mapping.Request `yaml:"-"`
	// TLS is what security.tunnel names, read; nil: tunnels are not encrypted.
	TLS *trust.Server `yaml:"-"`
	// Access is what security.api names, read; nil without enable_auth.
	Access *access.Guard `yaml:"-"`
	// VisitorKeys are the keys of visitors of the web, in the file of API keys; nil: there are none.
	VisitorKeys *access.Guard `yaml:"-"`
	// WebPair is what web.cert_file and key_file name, read; nil without.
	WebPair *files.Watched[*tls.Certificate] `yaml:"-"`
	// WebAuthorities is what web.acme.ca names, read; nil: the system's.
	WebAuthorities *x509.CertPool `yaml:"-"`
	// Ring is what keys names, read; nil without.
	Ring *keys.Ring `yaml:"-"`
}

// Timers is what both roles have in common.
type Timers struct {
	CloseDrain    time.Duration `yaml:"close_drain" limit:"close-drain" help:"keeping a socket after the end was passed on"`                                  // CLOSE-005
	CloseTotal    time.Duration `yaml:"close_total" limit:"close-total" help:"the answer to a Close, at the latest"`                                          // CLOSE-004
	CloseStall    time.Duration `yaml:"close_stall" limit:"close-stall" help:"a slow reader that takes nothing after a Close is ended after this"`            // CLOSE-006
	CloseMost     time.Duration `yaml:"close_most" limit:"close-most" range:"- 1h" help:"writing what is queued after a Close, in all"`                       // CLOSE-012
	CloseWait     time.Duration `yaml:"close_wait" limit:"close-wait" help:"waiting for the peer's last word on an ID"`                                       // CLOSE-009
	StallLimit    time.Duration `yaml:"stall_limit" limit:"stall-limit" help:"a slow reader that takes nothing is ended after this"`                          // FLOW-002
	StallBudget   time.Duration `yaml:"stall_budget" limit:"stall-budget" help:"pauses within stall_window before the slowest is ended"`                      // FLOW-003
	StallWindow   time.Duration `yaml:"stall_window" limit:"stall-window" help:"see stall_budget"`                                                            // FLOW-003
	PauseSign     time.Duration `yaml:"pause_sign" limit:"pause-sign" range:"1s 30s" help:"a server that waits for a slow reader is silent for this at most"` // FLOW-008
	FrameProgress time.Duration `yaml:"frame_progress" limit:"frame-progress" range:"1s 1h" help:"a frame that drips in is given up after this"`              // FRAME-011
}

// Shutdown is how a command ends.
type Shutdown struct {
	Grace time.Duration `yaml:"grace" live:"yes" default:"30s" range:"0s 1h" help:"time for open connections after SIGTERM or SIGINT"`
}

// ParseMap reads one element of map: PORT, PORT=PORT or PORT=HOST:PORT, or the same with FROM-TO in the place of each PORT,
// or HOST=PORT or HOST/PATH=HOST:PORT for the web, or an object.
func ParseMap(text string) ([]mapping.Request, error) {
	if strings.HasPrefix(text, "{") {
		var q mapping.Request
		err := mapping.Decode([]byte(text), &q)
		if err == nil && q.Host == "" && (q.Port < 1 || q.Port > 65535) {
			err = fmt.Errorf("port must be 1 to 65535, not %d", q.Port)
		}
		return []mapping.Request{q}, err
	}
	if host, target, ok := strings.Cut(text, "="); ok && strings.Trim(host, "0123456789-") != "" {
		return parseWebMap(host, target)
	}
	bad := func(why string) ([]mapping.Request, error) {
		return nil, fmt.Errorf("%q: %s; give PORT or PORT=PORT or PORT=HOST:PORT, like 10022=127.0.0.1:22 or 10000-10010=20000-20010", text, why)
	}
	ports, target, hasTarget := strings.Cut(text, "=")
	from, to, err := mapping.ParsePorts(ports)
	if err != nil {
		return bad("the port must be 1 to 65535")
	}
	host, first := "", uint16(0) // on the client's own machine
	if hasTarget {
		ports = target[strings.LastIndex(target, ":")+1:]
		var last uint16
		if first, last, err = mapping.ParsePorts(ports); err != nil {
			return bad("the target's port must be 1 to 65535")
		}
		if host, _, err = mapping.ParseTarget(target[:len(target)-len(ports)] + strconv.Itoa(int(first))); err != nil {
			return bad(err.Error())
		}
		if last-first != to-from {
			return bad(fmt.Sprintf("%d ports lead to %d; give as many of the target's", to-from+1, last-first+1))
		}
	}
	var all []mapping.Request
	for n := range int(to-from) + 1 {
		q := mapping.Request{Port: int(from) + n, TargetHost: host}
		if hasTarget {
			q.TargetPort = new(int(first) + n)
		}
		all = append(all, q)
	}
	return all, nil
}

func parsePort(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 1 || n > 65535) {
		err = strconv.ErrRange
	}
	return n, err
}

// isPort reports whether a text is a port to listen on, 0 for any.
func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && 0 <= n && n <= 65535
}

// Offset is what a mapping's port is less to get an omitted target port.
func (c *Server) Offset() int {
	if c.Tunnel.TargetOffset != nil {
		return *c.Tunnel.TargetOffset
	}
	return c.PortRange.From
}

// Rules are those of mappings.
func (c *Server) Rules() mapping.Rules {
	return mapping.Rules{
		TunnelEnabled: c.Tunnel.Enabled,
		Keys:          c.Ring != nil,
		Web:           c.Web.Listen != "" || c.Web.ListenTLS != "",
		WebKeys:       c.VisitorKeys != nil,
		ShortRequests: c.Tunnel.ConnectRequest == "short",
		TargetOffset:  c.Offset(),
		PortFrom:      c.PortRange.From,
		PortEnd:       c.PortRange.End,
		Blacklist:     c.Security.PortRange.Blacklist,
	}
}

// AllowedClients is tunnel.allowed_clients, parsed.
func (c *Server) AllowedClients() []netip.Prefix { return mapping.Prefixes(c.Tunnel.AllowedClients) }

// AllowedIPs is security.api.allowed_ips, parsed.
func (c *Server) AllowedIPs() []netip.Prefix { return mapping.Prefixes(c.Security.API.AllowedIPs) }

// checkKeys reads the file of keys. Behind it Keys is empty if there is none.
func (c *Server) checkKeys(k *checker) {
	if _, err := os.Stat(c.Keys); !k.given("keys") && (errors.Is(err, fs.ErrNotExist) || !c.Tunnel.Enabled) {
		c.Keys = ""
	}
	var err error
	switch {
	case c.Keys == "":
		k.unused("has no effect without keys; remove it, or make a key (adit-server keygen NAME)", setting{"tls_ends_before", ifSet(c.Balanced)})
	case c.Protocol == "core":
		k.fail("keys", "%s cannot be asked for in the Core profile; set protocol to auto, or keys to \"\"", c.Keys)
	case !c.Tunnel.Enabled:
		k.fail("keys", "has no effect without tunnels; remove it, or set tunnel.enabled to true")
	default:
		if c.Ring, err = keys.Open(c.Keys); errors.Is(err, fs.ErrNotExist) {
			k.fail("keys", "%v; make it with: adit-server keygen NAME --keys %s", err, c.Keys)
		} else if err != nil {
			k.fail("keys", "%v", err)
		}
	}
}

// checkTLS reads the files of security.tunnel.
func (c *Server) checkTLS(k *checker) {
	const section = "security.tunnel."
	t := &c.Security.Tunnel
	keyed := c.Keys != ""
	switch {
	case c.Plain && t.EnableTLS:
		k.fail("plain", "turns TLS off, and %senable_tls on; remove one of the two", section)
	case c.Plain && c.Balanced:
		k.fail("plain", "says that there is no TLS, and tls_ends_before that there is; remove one of the two")
	case keyed && !c.Plain && !c.Balanced && k.given(section+"enable_tls") && !t.EnableTLS:
		k.fail(section+"enable_tls", "is false, and with keys tunnels are encrypted; remove it, or set plain to true, here and at the clients")
	case !t.EnableTLS && (!keyed || c.Plain || c.Balanced):
		why := "without " + section + "enable_tls or keys"
		if c.Plain {
			why = "with plain"
		} else if c.Balanced {
			why = "with tls_ends_before, and without " + section + "enable_tls,"
		}
		k.unused(why+" tunnels are not encrypted here, and this has no effect; change that, or remove this",
			setting{section + "cert_file", t.CertFile}, setting{section + "key_file", t.KeyFile}, setting{section + "client_ca", t.ClientCA})
	case t.CertFile != "" && t.KeyFile == "":
		k.fail(section+"cert_file", "needs %skey_file; name the PEM file of its private key", section)
	case t.CertFile == "" && t.KeyFile != "":
		k.fail(section+"key_file", "needs %scert_file; name the PEM file of the certificate that it belongs to", section)
	case t.CertFile == "" && !keyed:
		k.fail(section+"enable_tls", "needs %scert_file and %skey_file; name the PEM files of the server's certificate and of its private key, or make a key for each client (adit-server keygen NAME)", section, section)
	default:
		var err error
		c.TLS, err = trust.NewServer(t.CertFile, t.KeyFile, t.ClientCA)
		k.files(section, err)
	}
}

// checkOpen keeps strangers out: without anything that says who may be a client those of this machine alone may, and an
// address that says otherwise is refused.
func (c *Server) checkOpen(k *checker) {
	const key = "tunnel.listen_host"
	switch {
	case !c.Tunnel.Enabled, c.Open, c.Keys != "", c.Security.Tunnel.ClientCA != "":
	case !k.given(key):
		c.Tunnel.ListenHost = "127.0.0.1"
	case !onThisMachine(c.Tunnel.ListenHost):
		k.fail(key, "%q is reached from other machines, and no key says who may be a client, so whoever comes would get the visitors; "+
			"make a key (adit-server keygen NAME), or set open to true (--open) to take every client", c.Tunnel.ListenHost)
	}
}

// checkAPI reads the files of security.api. What is open to everyone does not leave the machine: an address that is allowed
// proves nothing, for it is shared and can be taken.
func (c *Server) checkAPI(k *checker) {
	const section = "security.api."
	a := &c.Security.API
	if a.EnableAuth {
		var err error
		c.Access, err = access.Open(a.KeysFile, a.JWTKeyFile)
		if e, ok := errors.AsType[*access.FileError](err); ok {
			key := section + e.Key
			if !k.given(key) {
				key = section + "enable_auth"
			}
			if err = e.Err; errors.Is(err, fs.ErrNotExist) && e.Key == "keys_file" {
				err = fmt.Errorf("%w; make it with: adit-server apikey NAME --role operate --%skeys_file %s", err, section, a.KeysFile)
			}
			k.fail(key, "%v", err)
		}
		return
	}
	for _, key := range []string{section + "keys_file", section + "jwt_key_file"} {
		if k.given(key) && !(c.asksVisitors() && key == section+"keys_file") {
			k.fail(key, "without "+section+"enable_auth the API asks for no key, and this has no effect; set that to true, or remove this")
		}
	}
	if !onThisMachine(c.API.ListenHost) {
		k.fail("api.listen_host", "%q is beyond this machine, where whoever reaches the API without a key owns every mapping, whatever allowed_ips says; "+
			"set security.api.enable_auth and make a key (adit-server apikey NAME --role operate), or listen on 127.0.0.1 and come through ssh -L 8080:127.0.0.1:8080", c.API.ListenHost)
	}
}

// onThisMachine reports whether a host to listen on is known to be reached from this machine alone.
func onThisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// check refuses what the tags of single keys do not.
func (c *Server) check(k *checker) {
	c.checkKeys(k)
	if c.PortRange.End < c.PortRange.From {
		k.fail("port_range.end", "%d is below port_range.from, %d; make the range at least one port wide", c.PortRange.End, c.PortRange.From)
	}
	k.host("tunnel.listen_host", c.Tunnel.ListenHost)
	k.host("visitors.listen_host", c.Visitors.ListenHost)
	k.host("api.listen_host", c.API.ListenHost)
	k.prefixes("tunnel.allowed_clients", c.Tunnel.AllowedClients)
	k.prefixes("tunnel.trusted_proxies", c.Tunnel.TrustedProxies)
	k.prefixes("visitors.trusted_proxies", c.Visitors.TrustedProxies)
	k.prefixes("security.api.allowed_ips", c.Security.API.AllowedIPs)
	if c.Database.Path == "" {
		k.fail("database.path", "is empty; name a file")
	}
	c.checkAPI(k)
	if p := c.API.Profiling; p != "" {
		if host, port, err := net.SplitHostPort(p); err != nil || !onThisMachine(host) || !isPort(port) {
			k.fail("api.profiling", "%q is not HOST:PORT of this machine; give one like 127.0.0.1:6060, and come through ssh -L from elsewhere", p)
		}
	}
	c.checkTLS(k)
	c.checkOpen(k)
	c.checkWeb(k)
	seen, rules := map[string]bool{}, c.Rules()
	for _, text := range c.Map {
		all, err := ParseMap(text)
		if err != nil {
			k.fail("map", "%v", err)
			continue
		}
		for _, m := range all {
			if seen[m.Place()] && m.Host != "" {
				k.fail("map", "%s is mapped twice; give each host and path one target", m.Place())
			} else if seen[m.Place()] {
				k.fail("map", "port %d is mapped twice; give each port one target", m.Port)
			}
			seen[m.Place()] = true
			if _, err := rules.Plan(m); err != nil && m.Host != "" {
				k.fail("map", "%s: %v", m.Place(), err)
			} else if err != nil {
				k.fail("map", "port %d: %v", m.Port, err)
			}
		}
		c.Maps = append(c.Maps, all...)
	}
}
