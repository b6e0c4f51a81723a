package config

import (
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/adit-tunnel/adit/reference/keys"
	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/trust"
	"github.com/adit-tunnel/adit/spec"
)

// Client is the configuration of adit-client.
type Client struct {
	Server        string   `yaml:"server" default:"127.0.0.1:9000" help:"HOST:PORT of the server's tunnel port"`
	Proxy         string   `yaml:"proxy" help:"proxy on the way to the server: http://HOST:PORT (CONNECT) or socks5://HOST:PORT, with USER:PASSWORD@ if it wants them; env: what HTTPS_PROXY or ALL_PROXY, and NO_PROXY, say; empty: none"`
	Protocol      string   `yaml:"protocol" default:"auto" oneof:"auto core extended" help:"profile spoken with the server: auto (extended if it can), core, or extended (another server is left)"`
	Name          string   `yaml:"name" help:"1 to 63 of a-z, 0-9 and - that name this client to the server"`
	Allow         []string `yaml:"allow" live:"yes" help:"HOST|CIDR[:PORT[-PORT]] that may be dialled besides loopback"`
	Publish       []string `yaml:"publish" live:"yes" help:"PORT[=TARGET] asks the server for that public port (0: any), NAME=TARGET for a name that its mappings lead to; a TARGET is a port here, or HOST:PORT"`
	Unix          []string `yaml:"unix" live:"yes" help:"HOST:PORT=PATH: requests for that service lead to the Unix socket at PATH, which needs no allow"`
	ProxyProtocol []string `yaml:"proxy_protocol" live:"yes" help:"HOST|CIDR[:PORT[-PORT]]=v1|v2: services that are told of the visitor's address by a PROXY header"`
	Key           string   `yaml:"key" env:"-" help:"key for a server that asks for one, as adit-server keygen prints it: the tunnel is encrypted, and the key says whether it is the right server; as a flag it shows in the list of processes, so set ADIT_KEY in its place"`
	KeyFile       string   `yaml:"key_file" help:"file that has the key in its only line, for its owner alone (chmod 600)"`
	Plain         bool     `yaml:"plain" help:"with a key: no TLS, here and at the server; keeps strangers out, and nobody who stands between"`
	Balanced      bool     `yaml:"tls_ends_before" help:"with a key: TLS ends at a balancer in front of the server, which has tls_ends_before too; who the balancer is ca or pin says"`
	TLS           bool     `yaml:"tls" help:"encrypt the tunnel by TLS 1.3, as with a key; without one ca or pin says whether it is the right server"`
	CA            string   `yaml:"ca" help:"with TLS: PEM file of the authorities that may vouch for the server; empty: those of the system, or with a key none"`
	Pin           string   `yaml:"pin" help:"with TLS, in the place of authority and name: SHA-256 of the server's public key, which it logs when it is ready, in hexadecimal or base64"`
	CertFile      string   `yaml:"cert_file" help:"with TLS: PEM file of this client's certificate, for a server that has client_ca"`
	CertKeyFile   string   `yaml:"cert_key_file" help:"PEM file of its private key"`
	TargetHost    string   `yaml:"target_host" default:"127.0.0.1" help:"where requests that name no host lead"`

	StatusSocket string `yaml:"status_socket" help:"path of a Unix socket at which this client says how it is (adit-client status), to its owner alone; empty: none"`

	ConnectTimeout time.Duration `yaml:"connect_timeout" default:"10s" range:"1ms 1m" help:"one attempt to reach the server"`
	RedialDelay    time.Duration `yaml:"redial_delay" default:"500ms" help:"about the first wait between two attempts; doubled each time, varied at random by half"`
	RedialMost     time.Duration `yaml:"redial_most" default:"30s" help:"longest wait between two attempts, which none exceeds"`
	MaxConnections int           `yaml:"max_connections" default:"16384" range:"1 1048576" help:"connections at a time"`
	Queue          int           `yaml:"queue" limit:"queue" range:"65536 -" help:"bytes that wait for one slow service"`                                    // FLOW-001
	Window         int           `yaml:"window" limit:"window" range:"4096 1073741824" help:"bytes that the server may send on each new connection"`         // section 24
	Memory         int           `yaml:"memory" limit:"tunnel-memory" range:"- 1099511627776" help:"received bytes that the tunnel holds for slow services"` // WIN-008
	Timers         struct {
		DialTimeout       time.Duration `yaml:"dial_timeout" limit:"dial-timeout" range:"1ms 30s" help:"connecting to a service"`        // OPEN-012
		KeepAliveInterval time.Duration `yaml:"keepalive_interval" limit:"keepalive-interval" help:"between two KeepAlives"`             // ALIVE-001
		DeadPeer          time.Duration `yaml:"dead_peer" limit:"dead-peer-client" help:"silence after which the server counts as dead"` // ALIVE-004
		Timers            `yaml:",inline"`
	} `yaml:"timers"`
	Log      Log      `yaml:"log"`
	Shutdown Shutdown `yaml:"shutdown"`

	// File is the file of the configuration; "" without one.
	File string `yaml:"-"`
	// Trust is by what the server is known, read; nil: the tunnel is not encrypted.
	Trust *trust.Client `yaml:"-"`
	// Auth is the key that key, key_file or ADIT_KEY give; nil without one.
	Auth *keys.Key `yaml:"-"`
	// KeyShows: the key is on the command line.
	KeyShows bool `yaml:"-"`
	// PasswordShows: the proxy's password is.
	PasswordShows bool `yaml:"-"`
}

// keyVariable is the variable of the environment that has the client's key.
const keyVariable = variablePrefix + "KEY"

// checkKey finds the client's key. One that is given and empty is a mistake, and not no key.
func (c *Client) checkKey(k *checker) {
	inEnvironment, hasVariable := os.LookupEnv(keyVariable)
	var given []string
	var key keys.Key
	var err error
	if hasVariable {
		given = append(given, keyVariable)
		key, err = keys.Parse(inEnvironment)
	}
	if k.given("key") {
		given = append(given, "key")
		key, err = keys.Parse(c.Key)
		_, c.KeyShows = k.flags["key"]
	}
	if c.KeyFile != "" {
		given = append(given, "key_file")
		key, err = keys.Read(c.KeyFile)
	}
	switch {
	case len(given) == 0:
		k.unused("has no effect without a key; remove it, or give the key that adit-server keygen has printed", setting{"tls_ends_before", ifSet(c.Balanced)})
	case len(given) > 1:
		k.fail(given[len(given)-1], "a client has one key, and %s gives one too; leave one of them", strings.Join(given[:len(given)-1], " and "))
	case err != nil:
		k.fail(given[0], "%v; give the key as adit-server keygen has printed it", err)
	case c.Protocol == "core":
		k.fail("protocol", "core has no keys; set it to auto, or leave the key out (%s)", given[0])
	default:
		c.Auth = &key
	}
}

// checkTLS reads the files of tls.
func (c *Client) checkTLS(k *checker) {
	switch {
	case c.Plain && c.TLS:
		k.fail("plain", "turns TLS off, and tls on; remove one of the two")
	case c.Plain && c.Balanced:
		k.fail("plain", "says that there is no TLS, and tls_ends_before that there is; remove one of the two")
	case !c.TLS && (c.Auth == nil || c.Plain):
		why := "without tls or a key"
		if c.Plain {
			why = "with plain"
		}
		k.unused(why+" the tunnel is not encrypted, and this has no effect; change that, or remove this",
			setting{"ca", c.CA}, setting{"pin", c.Pin}, setting{"cert_file", c.CertFile}, setting{"cert_key_file", c.CertKeyFile})
	case c.CA != "" && c.Pin != "":
		k.fail("pin", "takes the place of an authority, and ca names one; remove either")
	case c.CertFile != "" && c.CertKeyFile == "":
		k.fail("cert_file", "needs cert_key_file; name the PEM file of its private key")
	case c.CertFile == "" && c.CertKeyFile != "":
		k.fail("cert_key_file", "needs cert_file; name the PEM file of the certificate that it belongs to")
	default:
		var err error
		c.Trust, err = trust.NewClient(c.CA, c.Pin, c.CertFile, c.CertKeyFile, c.Auth != nil && !c.Balanced)
		k.files("", err)
	}
}

// check refuses what the tags of single keys do not.
func (c *Client) check(k *checker) {
	host, port, err := net.SplitHostPort(c.Server)
	if _, perr := parsePort(port); err != nil || perr != nil || host == "" {
		k.fail("server", "%q is not HOST:PORT with a port from 1 to 65535; give the server's tunnel port, like example.org:9000", c.Server)
	}
	if u, err := url.Parse(k.flags["proxy"]); err == nil && u.User != nil {
		_, c.PasswordShows = u.User.Password()
	}
	c.checkKey(k)
	c.checkTLS(k)
	if len(c.Publish) > 0 && c.Protocol == "core" {
		k.fail("protocol", "core cannot ask for public ports; set it to auto, or remove publish and map the ports on the server")
	}
	if c.Name != "" && !mapping.ValidLabel(c.Name) {
		k.fail("name", "%q is not 1 to 63 of a-z, 0-9 and -", c.Name)
	}
	if !mapping.ValidHost(c.TargetHost) {
		k.fail("target_host", "%q is neither an address nor a DNS name; name a host, like 127.0.0.1", c.TargetHost)
	}
	// LOSS-003: from the beginning of one attempt to that of the next, so the attempt itself has a third.
	most := spec.LimitOf("redial-delay").MaxTime() * 2 / 3
	k.within("redial_delay", c.RedialDelay, time.Millisecond, most)
	k.within("redial_most", c.RedialMost, c.RedialDelay, most)
}
