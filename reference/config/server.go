package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Server is the configuration of adit-server.
type Server struct {
	PortRange struct {
		From int `yaml:"from" help:"first port that can be mapped"`
		End  int `yaml:"end" help:"last port that can be mapped"`
	} `yaml:"port_range"`
	Tunnel struct {
		Enabled        bool     `yaml:"enabled" help:"accept clients; false forwards directly only"`
		ListenHost     string   `yaml:"listen_host" help:"address that clients connect to; empty: all"`
		ListenPort     int      `yaml:"listen_port" help:"port that clients connect to; 0: any free one"`
		AllowedClients []string `yaml:"allowed_clients" help:"addresses or CIDRs that may connect as clients; empty: any"`
		ConnectRequest string   `yaml:"connect_request" help:"form of ConnectRequest: addressed, or short (the client chooses the host)"`
		TargetOffset   *int     `yaml:"target_offset" help:"a mapping without target_port leads to its port less this; absent: port_range.from"`
		MaxTunnels     int      `yaml:"max_tunnels" help:"clients at a time"`
		MaxConnections int      `yaml:"max_connections" help:"connections of one tunnel at a time"`
		Queue          int      `yaml:"queue" help:"octets that wait for one slow visitor"`
		Timers         struct {
			ConnectTimeout time.Duration `yaml:"connect_timeout" help:"waiting for a client's answer to a request"`
			DeadPeer       time.Duration `yaml:"dead_peer" help:"silence after which a client counts as dead"`
			Timers         `yaml:",inline"`
		} `yaml:"timers"`
	} `yaml:"tunnel"`
	Visitors struct {
		ListenHost string `yaml:"listen_host" help:"address that mapped ports listen on; empty: all"`
	} `yaml:"visitors"`
	Direct struct {
		DialTimeout    time.Duration `yaml:"dial_timeout" help:"connecting to the target of a mapping without tunnel"`
		MaxConnections int           `yaml:"max_connections" help:"direct connections at a time"`
	} `yaml:"direct"`
	API struct {
		ListenHost string `yaml:"listen_host" help:"address of the HTTP API"`
		ListenPort int    `yaml:"listen_port" help:"port of the HTTP API; 0: any free one"`
	} `yaml:"api"`
	Database struct {
		Path string `yaml:"path" help:"file that keeps the mappings"`
	} `yaml:"database"`
	Security struct {
		API struct {
			EnableAuth bool     `yaml:"enable_auth" help:"true is refused: there are no API keys; limit who reaches the API with allowed_ips or api.listen_host"`
			AllowedIPs []string `yaml:"allowed_ips" help:"addresses or CIDRs that may use the API; empty: any"`
		} `yaml:"api"`
		Tunnel struct {
			EnableTLS bool   `yaml:"enable_tls" help:"true is refused: there is no TLS; carry the tunnel over a VPN or ssh where the path is not trusted"`
			CertFile  string `yaml:"cert_file" help:"a value is refused, as enable_tls is"`
			KeyFile   string `yaml:"key_file" help:"a value is refused, as enable_tls is"`
			ClientCA  string `yaml:"client_ca" help:"a value is refused, as enable_tls is"`
		} `yaml:"tunnel"`
		PortRange struct {
			Blacklist []int `yaml:"blacklist" help:"ports that cannot be mapped"`
		} `yaml:"port_range"`
	} `yaml:"security"`
	Log      Log `yaml:"log"`
	Shutdown struct {
		Grace time.Duration `yaml:"grace" help:"time for open connections after SIGTERM or SIGINT"`
	} `yaml:"shutdown"`

	// Maps comes from -map alone.
	Maps []Map `yaml:"-"`
}

// Timers is what both roles have in common.
type Timers struct {
	CloseDrain    time.Duration `yaml:"close_drain" help:"reading on after the end was passed on"`
	CloseTotal    time.Duration `yaml:"close_total" help:"writing what is queued after a Close"`
	CloseWait     time.Duration `yaml:"close_wait" help:"waiting for the peer's last word on an ID"`
	StallLimit    time.Duration `yaml:"stall_limit" help:"a slow reader that takes nothing is ended after this"`
	StallBudget   time.Duration `yaml:"stall_budget" help:"pauses within stall_window before the slowest is ended"`
	StallWindow   time.Duration `yaml:"stall_window" help:"see stall_budget"`
	FrameProgress time.Duration `yaml:"frame_progress" help:"a frame that drips in is given up after this"`
}

func defaultTimers() Timers {
	return Timers{
		CloseDrain: 5 * time.Second, CloseTotal: 30 * time.Second, CloseWait: 60 * time.Second,
		StallLimit: 5 * time.Second, StallBudget: 10 * time.Second, StallWindow: 15 * time.Second,
		FrameProgress: 60 * time.Second,
	}
}

func (t Timers) check(c *checker, prefix string) {
	c.exactly(prefix+"close_drain", t.CloseDrain, 5*time.Second)                   // CLOSE-005
	c.within(prefix+"close_total", t.CloseTotal, time.Millisecond, 30*time.Second) // CLOSE-006
	c.exactly(prefix+"close_wait", t.CloseWait, 60*time.Second)                    // CLOSE-009
	c.exactly(prefix+"stall_limit", t.StallLimit, 5*time.Second)                   // FLOW-002
	c.within(prefix+"stall_budget", t.StallBudget, time.Millisecond, 10*time.Second)
	c.exactly(prefix+"stall_window", t.StallWindow, 15*time.Second) // FLOW-003
	c.within(prefix+"frame_progress", t.FrameProgress, time.Second, time.Hour)
}

// Log is how a command logs.
type Log struct {
	Level  string `yaml:"level" help:"debug, info, warn or error"`
	Format string `yaml:"format" help:"text or json"`
}

// Map is one -map: a mapping that lives as long as the process.
type Map struct {
	Port       int
	TargetHost string // "" with no target given
	TargetPort int    // 0 with no target given
}

// ParseMap reads PORT or PORT=HOST:PORT.
func ParseMap(text string) (Map, error) {
	bad := func(why string) (Map, error) {
		return Map{}, fmt.Errorf("%q: %s; give PORT or PORT=HOST:PORT, like 10022=127.0.0.1:22", text, why)
	}
	port, target, hasTarget := strings.Cut(text, "=")
	m := Map{}
	var err error
	if m.Port, err = strconv.Atoi(port); err != nil || m.Port < 1 || m.Port > 65535 {
		return bad("the port must be 1 to 65535")
	}
	if !hasTarget {
		return m, nil
	}
	host, targetPort, err := net.SplitHostPort(target)
	if err != nil || host == "" {
		return bad("the target must be HOST:PORT")
	}
	m.TargetHost = host
	if m.TargetPort, err = strconv.Atoi(targetPort); err != nil || m.TargetPort < 1 || m.TargetPort > 65535 {
		return bad("the target's port must be 1 to 65535")
	}
	return m, nil
}

// DefaultServer is what adit-server does without being told.
func DefaultServer() Server {
	var c Server
	c.PortRange.From, c.PortRange.End = 10000, 10100
	c.Tunnel.Enabled, c.Tunnel.ListenPort = true, 9000
	c.Tunnel.ConnectRequest = "addressed"
	c.Tunnel.MaxTunnels, c.Tunnel.MaxConnections, c.Tunnel.Queue = 1024, 16384, 1<<20
	c.Tunnel.Timers.ConnectTimeout, c.Tunnel.Timers.DeadPeer = 10*time.Second, 45*time.Second
	c.Tunnel.Timers.Timers = defaultTimers()
	c.Direct.DialTimeout, c.Direct.MaxConnections = 10*time.Second, 16384
	c.API.ListenHost, c.API.ListenPort = "127.0.0.1", 8080
	c.Database.Path = "./data/mappings.db"
	c.Log = Log{Level: "info", Format: "text"}
	c.Shutdown.Grace = 30 * time.Second
	return c
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

func (c *Server) check(k *checker) {
	k.port("port_range.from", c.PortRange.From, 1)
	k.port("port_range.end", c.PortRange.End, 1)
	if c.PortRange.End < c.PortRange.From {
		k.fail("port_range.end", "%d is below port_range.from, %d; make the range at least one port wide", c.PortRange.End, c.PortRange.From)
	}
	k.host("tunnel.listen_host", c.Tunnel.ListenHost)
	k.host("visitors.listen_host", c.Visitors.ListenHost)
	k.host("api.listen_host", c.API.ListenHost)
	k.port("tunnel.listen_port", c.Tunnel.ListenPort, 0)
	k.prefixes("tunnel.allowed_clients", c.Tunnel.AllowedClients)
	k.oneOf("tunnel.connect_request", c.Tunnel.ConnectRequest, "addressed", "short")
	if o := c.Tunnel.TargetOffset; o != nil && (*o < 0 || *o > 65535) {
		k.fail("tunnel.target_offset", "%d must be 0 to 65535", *o)
	}
	k.count("tunnel.max_tunnels", c.Tunnel.MaxTunnels, 1, 1<<20)
	k.count("tunnel.max_connections", c.Tunnel.MaxConnections, 1, 1<<20)
	k.count("tunnel.queue", c.Tunnel.Queue, 64<<10, 16<<20)                                                     // FLOW-001
	k.within("tunnel.timers.connect_timeout", c.Tunnel.Timers.ConnectTimeout, time.Millisecond, 30*time.Second) // OPEN-022
	k.within("tunnel.timers.dead_peer", c.Tunnel.Timers.DeadPeer, 45*time.Second, 300*time.Second)              // ALIVE-005, ALIVE-006
	c.Tunnel.Timers.check(k, "tunnel.timers.")
	k.within("direct.dial_timeout", c.Direct.DialTimeout, time.Millisecond, time.Hour)
	k.count("direct.max_connections", c.Direct.MaxConnections, 1, 1<<20)
	k.port("api.listen_port", c.API.ListenPort, 0)
	if c.Database.Path == "" {
		k.fail("database.path", "is empty; name a file")
	}
	s := &c.Security
	if s.API.EnableAuth {
		k.fail("security.api.enable_auth", "is not implemented: there are no API keys; set it to false and limit who reaches the API with security.api.allowed_ips or api.listen_host")
	}
	if s.Tunnel.EnableTLS {
		k.fail("security.tunnel.enable_tls", "is not implemented: there is no TLS; set it to false and carry the tunnel over a VPN or ssh where the path is not trusted")
	}
	for key, value := range map[string]string{"cert_file": s.Tunnel.CertFile, "key_file": s.Tunnel.KeyFile, "client_ca": s.Tunnel.ClientCA} {
		if value != "" {
			k.fail("security.tunnel."+key, "is not implemented: there is no TLS; remove it, and carry the tunnel over a VPN or ssh where the path is not trusted")
		}
	}
	k.prefixes("security.api.allowed_ips", s.API.AllowedIPs)
	for _, port := range s.PortRange.Blacklist {
		k.port("security.port_range.blacklist", port, 1)
	}
	c.Log.check(k)
	k.within("shutdown.grace", c.Shutdown.Grace, 0, time.Hour)
	seen := map[int]bool{}
	for _, m := range c.Maps {
		if seen[m.Port] {
			k.fail("map", "port %d is mapped twice; give each port one target", m.Port)
		}
		seen[m.Port] = true
	}
}

func (l Log) check(k *checker) {
	k.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", l.Format, "text", "json")
}
