package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/trust"
)

// Server is the configuration of adit-server.
type Server struct {
	// Map is read into Maps.
	Map       []string `yaml:"map" help:"PORT, PORT=PORT or PORT=HOST:PORT that lead to a client; mappings that live as long as the process, and need not be in port_range"`
	PortRange struct {
		From int `yaml:"from" default:"10000" range:"1 65535" help:"first port that can be mapped"`
		End  int `yaml:"end" default:"10100" range:"1 65535" help:"last port that can be mapped"`
	} `yaml:"port_range"`
	Memory   int    `yaml:"memory" range:"0 1099511627776" help:"received bytes that all tunnels together hold for slow visitors; 0: half of the machine's memory"` // WIN-008
	Protocol string `yaml:"protocol" default:"auto" oneof:"auto core extended" help:"profile spoken with clients: auto (extended with those that can), core, or extended (others are refused)"`
	Keys     string `yaml:"keys" help:"file of clients' keys, which adit-server keygen NAME writes; only who has one of them is served; read again when it changes; empty: no keys are asked for"`
	Tunnel   struct {
		Enabled        bool     `yaml:"enabled" default:"true" help:"accept clients; false forwards directly only"`
		ListenHost     string   `yaml:"listen_host" help:"address that clients connect to; empty: all"`
		ListenPort     int      `yaml:"listen_port" default:"9000" range:"0 65535" help:"port that clients connect to; 0: any free one"`
		AllowedClients []string `yaml:"allowed_clients" help:"addresses or CIDRs that may connect as clients; empty: any"`
		ConnectRequest string   `yaml:"connect_request" default:"addressed" oneof:"addressed short" help:"form of ConnectRequest: addressed, or short (the client chooses the host)"`
		TargetOffset   *int     `yaml:"target_offset" range:"0 65535" help:"a mapping without target_port leads to its port less this; absent: port_range.from"`
		AllowBind      bool     `yaml:"allow_bind" default:"false" help:"clients without key or certificate may ask for public ports, too (--publish there)"`
		MaxTunnels     int      `yaml:"max_tunnels" default:"1024" range:"1 1048576" help:"clients at a time"`
		MaxConnections int      `yaml:"max_connections" default:"16384" range:"1 1048576" help:"connections of one tunnel at a time"`
		Queue          int      `yaml:"queue" limit:"queue" range:"65536 -" help:"bytes that wait for one slow visitor"`                                    // FLOW-001
		Window         int      `yaml:"window" limit:"window" range:"4096 1073741824" help:"bytes that a client may send on each new connection"`           // section 24
		Memory         int      `yaml:"memory" limit:"tunnel-memory" range:"- 1099511627776" help:"received bytes that one tunnel holds for slow visitors"` // WIN-008
		Timers         struct {
			ConnectTimeout time.Duration `yaml:"connect_timeout" limit:"connect-timeout" help:"waiting for a client's answer to a request"` // OPEN-022
			BindHold       time.Duration `yaml:"bind_hold" limit:"bind-hold" help:"a public port is kept for its client that is gone"`      // BIND-008
			DeadPeer       time.Duration `yaml:"dead_peer" limit:"dead-peer-server" help:"silence after which a client counts as dead"`     // ALIVE-005, ALIVE-006
			Timers         `yaml:",inline"`
		} `yaml:"timers"`
	} `yaml:"tunnel"`
	Visitors struct {
		ListenHost string `yaml:"listen_host" help:"address that mapped ports listen on; empty: all"`
	} `yaml:"visitors"`
	Direct struct {
		DialTimeout    time.Duration `yaml:"dial_timeout" default:"10s" range:"1ms 1h" help:"connecting to the target of a mapping without tunnel"`
		MaxConnections int           `yaml:"max_connections" default:"16384" range:"1 1048576" help:"direct connections at a time"`
	} `yaml:"direct"`
	API struct {
		ListenHost string `yaml:"listen_host" default:"127.0.0.1" help:"address of the HTTP API"`
		ListenPort int    `yaml:"listen_port" default:"8080" range:"0 65535" help:"port of the HTTP API; 0: any free one"`
	} `yaml:"api"`
	Database struct {
		Path string `yaml:"path" default:"./data/mappings.db" help:"file that keeps the mappings"`
	} `yaml:"database"`
	Security struct {
		API struct {
			EnableAuth bool     `yaml:"enable_auth" help:"true is refused: there are no API keys; limit who reaches the API with allowed_ips or api.listen_host"`
			AllowedIPs []string `yaml:"allowed_ips" help:"addresses or CIDRs that may use the API; empty: any"`
		} `yaml:"api"`
		Tunnel struct {
			EnableTLS bool   `yaml:"enable_tls" help:"take clients over TLS 1.3 alone (--tls there); needs cert_file and key_file"`
			CertFile  string `yaml:"cert_file" help:"PEM file of the server's certificate, and of those that lead to its authority; read again when it changes, like the two below"`
			KeyFile   string `yaml:"key_file" help:"PEM file of its private key"`
			ClientCA  string `yaml:"client_ca" help:"PEM file of authorities; only clients with a certificate of one of them are served"`
		} `yaml:"tunnel"`
		PortRange struct {
			Blacklist []int `yaml:"blacklist" range:"1 65535" help:"ports that cannot be mapped"`
		} `yaml:"port_range"`
	} `yaml:"security"`
	Log      Log      `yaml:"log"`
	Shutdown Shutdown `yaml:"shutdown"`

	// Maps is Map, parsed.
	Maps []mapping.Request `yaml:"-"`
	// TLS is what security.tunnel names, read; nil without enable_tls.
	TLS *trust.Server `yaml:"-"`
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
	Grace time.Duration `yaml:"grace" default:"30s" range:"0s 1h" help:"time for open connections after SIGTERM, SIGINT or SIGHUP"`
}

// parseMap reads one element of map: PORT, PORT=PORT or PORT=HOST:PORT.
func parseMap(text string) (mapping.Request, error) {
	bad := func(why string) (mapping.Request, error) {
		return mapping.Request{}, fmt.Errorf("%q: %s; give PORT or PORT=PORT or PORT=HOST:PORT, like 10022=127.0.0.1:22", text, why)
	}
	port, target, hasTarget := strings.Cut(text, "=")
	var q mapping.Request
	var err error
	if q.Port, err = parsePort(port); err != nil {
		return bad("the port must be 1 to 65535")
	}
	if !hasTarget {
		return q, nil
	}
	host, targetPort, err := mapping.ParseTarget(target) // without a host on the client's own machine
	if err != nil {
		return bad(err.Error())
	}
	q.TargetHost, q.TargetPort = host, &targetPort
	return q, nil
}

func parsePort(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && (n < 1 || n > 65535) {
		err = strconv.ErrRange
	}
	return n, err
}

// Offset is what a mapping's port is less to get an omitted target port.
func (c *Server) Offset() int {
	if c.Tunnel.TargetOffset != nil {
		return *c.Tunnel.TargetOffset
	}
	return c.PortRange.From
}

// AllowedClients is tunnel.allowed_clients, parsed.
func (c *Server) AllowedClients() []netip.Prefix { return mustPrefixes(c.Tunnel.AllowedClients) }

// AllowedIPs is security.api.allowed_ips, parsed.
func (c *Server) AllowedIPs() []netip.Prefix { return mustPrefixes(c.Security.API.AllowedIPs) }

// checkKeys reads the file of keys.
func (c *Server) checkKeys(k *checker) {
	var err error
	switch {
	case c.Keys == "":
	case c.Protocol == "core":
		k.fail("keys", "cannot be asked for in the Core profile; set protocol to auto, or remove one of the two")
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
	switch {
	case !t.EnableTLS:
		k.unused("without "+section+"enable_tls tunnels are not encrypted, and this has no effect; set that to true, or remove this",
			setting{section + "cert_file", t.CertFile}, setting{section + "key_file", t.KeyFile}, setting{section + "client_ca", t.ClientCA})
	case t.CertFile == "" || t.KeyFile == "":
		k.fail(section+"enable_tls", "needs %scert_file and %skey_file; name the PEM files of the server's certificate and of its private key", section, section)
	default:
		var err error
		c.TLS, err = trust.NewServer(t.CertFile, t.KeyFile, t.ClientCA)
		k.files(section, err)
	}
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
	k.prefixes("security.api.allowed_ips", c.Security.API.AllowedIPs)
	if c.Database.Path == "" {
		k.fail("database.path", "is empty; name a file")
	}
	s := &c.Security
	if s.API.EnableAuth {
		k.fail("security.api.enable_auth", "is not implemented: there are no API keys; set it to false and limit who reaches the API with security.api.allowed_ips or api.listen_host")
	}
	c.checkTLS(k)
	seen := map[int]bool{}
	for _, text := range c.Map {
		m, err := parseMap(text)
		if err != nil {
			k.fail("map", "%v", err)
			continue
		}
		c.Maps = append(c.Maps, m)
		if seen[m.Port] {
			k.fail("map", "port %d is mapped twice; give each port one target", m.Port)
		}
		seen[m.Port] = true
	}
}
