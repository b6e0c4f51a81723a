package config

import (
	"net"
	"strconv"
	"time"
)

// Client is the configuration of adit-client.
type Client struct {
	Server     string   `yaml:"server" help:"HOST:PORT of the server's tunnel port"`
	Allow      []string `yaml:"allow" help:"HOST|CIDR[:PORT[-PORT]] that may be dialled besides loopback"`
	TargetHost string   `yaml:"target_host" help:"where requests that name no host lead"`

	ConnectTimeout time.Duration `yaml:"connect_timeout" help:"one attempt to reach the server"`
	RedialDelay    time.Duration `yaml:"redial_delay" help:"first wait between two attempts; doubled each time, varied at random"`
	RedialMost     time.Duration `yaml:"redial_most" help:"longest wait between two attempts"`
	MaxConnections int           `yaml:"max_connections" help:"connections at a time"`
	Queue          int           `yaml:"queue" help:"octets that wait for one slow service"`
	Timers         struct {
		DialTimeout       time.Duration `yaml:"dial_timeout" help:"connecting to a service"`
		KeepAliveInterval time.Duration `yaml:"keepalive_interval" help:"between two KeepAlives"`
		DeadPeer          time.Duration `yaml:"dead_peer" help:"silence after which the server counts as dead"`
		Timers            `yaml:",inline"`
	} `yaml:"timers"`
	Log      Log `yaml:"log"`
	Shutdown struct {
		Grace time.Duration `yaml:"grace" help:"time for open connections after SIGTERM or SIGINT"`
	} `yaml:"shutdown"`

	allowed func(rules []string) error
}

// DefaultClient is what adit-client does without being told.
func DefaultClient() Client {
	c := Client{
		Server: "127.0.0.1:9000", TargetHost: "127.0.0.1",
		ConnectTimeout: 10 * time.Second, RedialDelay: 500 * time.Millisecond, RedialMost: 30 * time.Second,
		MaxConnections: 16384, Queue: 1 << 20,
		Log: Log{Level: "info", Format: "text"},
	}
	c.Timers.DialTimeout, c.Timers.KeepAliveInterval, c.Timers.DeadPeer = 8*time.Second, 15*time.Second, 45*time.Second
	c.Timers.Timers = defaultTimers()
	c.Shutdown.Grace = 30 * time.Second
	return c
}

func (c *Client) check(k *checker) {
	host, port, err := net.SplitHostPort(c.Server)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || host == "" || n < 1 || n > 65535 {
		k.fail("server", "%q is not HOST:PORT with a port from 1 to 65535; give the server's tunnel port, like example.org:9000", c.Server)
	}
	if err := c.allowed(c.Allow); err != nil {
		k.fail("allow", "%v", err)
	}
	if c.TargetHost == "" {
		k.fail("target_host", "is empty; name a host, like 127.0.0.1")
	}
	k.within("connect_timeout", c.ConnectTimeout, time.Millisecond, time.Minute)
	k.within("redial_delay", c.RedialDelay, time.Millisecond, 40*time.Second)
	k.within("redial_most", c.RedialMost, c.RedialDelay, 40*time.Second) // LOSS-003: varied upwards by half it stays within 60 s
	k.count("max_connections", c.MaxConnections, 1, 1<<20)
	k.count("queue", c.Queue, 64<<10, 16<<20)                                                           // FLOW-001
	k.within("timers.dial_timeout", c.Timers.DialTimeout, time.Millisecond, 30*time.Second)             // OPEN-012
	k.within("timers.keepalive_interval", c.Timers.KeepAliveInterval, time.Millisecond, 15*time.Second) // ALIVE-001
	k.exactly("timers.dead_peer", c.Timers.DeadPeer, 45*time.Second)                                    // ALIVE-004
	c.Timers.check(k, "timers.")
	c.Log.check(k)
	k.within("shutdown.grace", c.Shutdown.Grace, 0, time.Hour)
}
