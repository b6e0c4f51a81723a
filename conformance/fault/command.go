package fault

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/adit-tunnel/adit/conformance/fault/peer"
)

// PeerCommand is adit-conform's command fault: the peers that self-check
// certifies, each in a process of its own.
func PeerCommand(stdout io.Writer) *cobra.Command {
	root := &cobra.Command{Use: "fault", Short: "a tunnel peer that breaks one requirement on demand"}
	root.AddCommand(serverCommand(), clientCommand(), wrapServerCommand(), wrapClientCommand(), mutantsCommand(stdout), oddsCommand(stdout))
	return root
}

func serverCommand() *cobra.Command {
	var o peer.Options
	var ports, bind string
	c := &cobra.Command{
		Use: "server", Short: "the server's role", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := errors.Join(checkMutant(o.Mutant, "server"), checkOdd(o.Odd)); err != nil {
				return err
			}
			for _, r := range []struct {
				flag, text string
				to         *[2]int
			}{{"--ports", ports, &o.Ports}, {"--bind", bind, &o.Bind}} {
				if r.text == "" {
					continue
				}
				if _, err := fmt.Sscanf(r.text, "%d-%d", &r.to[0], &r.to[1]); err != nil || r.to[0] < 1 || r.to[1] > 65535 || r.to[1] < r.to[0] {
					return fmt.Errorf("%s %q: must be FIRST-LAST, like 10000-10100", r.flag, r.text)
				}
			}
			return peer.RunServer(c.Context(), o)
		},
	}
	s := c.Flags()
	s.StringVar(&o.Tunnel, "tunnel", "", "HOST:PORT to listen on for tunnels")
	s.StringVar(&o.Visitor, "visitor", "", "HOST:PORT to listen on for visitors")
	s.StringVar(&o.Target, "target", "", "HOST:PORT of the service that visitors are led to")
	s.StringVar(&o.API, "api", "", "HOST:PORT of the control API (default: none)")
	s.StringVar(&o.Store, "store", "", "JSON file of the control API's mappings (default: none)")
	s.StringVar(&o.Keys, "keys", "", "file of keys, one of which a client has to prove (default: none is asked for)")
	s.StringVar(&o.ClientCA, "client-ca", "", "PEM file of the authority whose certificates clients have to show (default: any client)")
	s.StringVar(&bind, "bind", "", "FIRST-LAST: ports that clients with a key may ask for (default: none)")
	s.StringVar(&ports, "ports", "", "FIRST-LAST: ports that the control API may map (default 10000-10100)")
	commonFlags(s, &o)
	for _, name := range []string{"tunnel", "visitor", "target"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

func clientCommand() *cobra.Command {
	var o peer.Options
	c := &cobra.Command{
		Use: "client", Short: "the client's role", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := errors.Join(checkMutant(o.Mutant, "client"), checkOdd(o.Odd)); err != nil {
				return err
			}
			return peer.RunClient(c.Context(), o)
		},
	}
	s := c.Flags()
	s.StringVar(&o.Server, "server", "", "HOST:PORT of the server")
	s.StringArrayVar(&o.Publish, "publish", nil, "PORT=HOST:PORT: a port of the server to ask for, 0 for any, and where it leads; may be given several times")
	s.StringVar(&o.Key, "key-file", "", "file of the key to prove (default: none)")
	s.BoolVar(&o.TLS, "tls", false, "speak TLS, also without --ca and --pin")
	s.StringVar(&o.CA, "ca", "", "speak TLS with a server for whose certificate the authority in this PEM file vouches")
	s.StringVar(&o.Pin, "pin", "", "speak TLS with a server whose SubjectPublicKeyInfo has this SHA-256, in hexadecimal digits")
	commonFlags(s, &o)
	_ = c.MarkFlagRequired("server")
	return c
}

// commonFlags are those of both roles.
func commonFlags(s *pflag.FlagSet, o *peer.Options) {
	s.StringVar(&o.Mutant, "mutant", "", "what to do wrong; adit-conform fault mutants lists the names (default: nothing)")
	s.StringVar(&o.Odd, "odd", "", "which unusual choice to make; adit-conform fault odds lists the names (default: none)")
	s.Uint64Var(&o.Seed, "seed", 1, "of a liar that answers at random")
	s.StringVar(&o.Cert, "cert", "", "PEM file of the peer's own certificate; a server speaks TLS with it (default: none)")
	s.StringVar(&o.CertKey, "cert-key", "", "PEM file of its private key")
	s.BoolVar(&o.Extended, "extended", false, "speak the Extended profile with a peer that does (default: Core alone)")
	s.IntVar(&o.Memory, "memory", 0, "octets that received Data of an extended tunnel may use (default 512 MiB)")
	s.DurationVar(&o.Drain, "drain", 0, "at SIGTERM let the connections of extended tunnels end by themselves for that long (default: not at all)")
}

func mutantsCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "mutants", Short: "list what the peer can do wrong", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, m := range Mutants() {
				fmt.Fprintf(stdout, "%-8s %-20s %s\n", m.Role, m.Name, m.Does)
			}
			return nil
		},
	}
}

func oddsCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "odds", Short: "list the unusual choices that the peer can make, and still conform", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, name := range slices.Sorted(maps.Keys(peer.Odds)) {
				fmt.Fprintf(stdout, "%-12s %s\n", name, peer.Odds[name])
			}
			return nil
		},
	}
}

// checkOdd refuses a name that the peer does not have: it would make the usual choices.
func checkOdd(name string) error {
	if _, ok := peer.Odds[name]; !ok && name != "" {
		return fmt.Errorf("--odd %s: the peer has no such choice; adit-conform fault odds lists them", name)
	}
	return nil
}

// checkMutant refuses a name that the role does not have: an unknown mutant would conform.
func checkMutant(name, role string) error {
	if name == "" {
		return nil
	}
	for _, m := range Mutants() {
		if m.Name == name && (string(m.Role) == role || m.Role == API && role == "server") {
			return nil
		}
	}
	return fmt.Errorf("--mutant %s: a %s has no such mutant; adit-conform fault mutants lists them", name, role)
}

// SelfCheckCommand is adit-conform's command self-check. Exit turns an exit
// code other than 0 into the error that ends the program with it: 1 for a
// suite that is not proven.
func SelfCheckCommand(stdout, stderr io.Writer, terminal bool, exit func(code int) error) *cobra.Command {
	o := Options{Progress: stderr, Terminal: terminal}
	var asJSON bool
	c := &cobra.Command{
		Use: "self-check [--subject FILE]", Short: "prove that the suite can fail: the kill matrix", Args: cobra.NoArgs,
		Long: `self-check certifies a peer that conforms, then the same peer with one requirement broken, requirement by
requirement, and whole-subject liars, each by the ordinary adit-conform run in a process of its own.

Exit codes: 0 every mutant was killed by a case of its requirement, and no liar earned 10 %;
1 not so, or a MUST has neither a mutant nor a reason, or a case killed nothing; 2 wrong usage, or the check could not be made.`,
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := SelfCheck(c.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				if err := m.WriteJSON(stdout); err != nil {
					return err
				}
			} else {
				m.Write(stdout)
			}
			if !m.OK() {
				return exit(1)
			}
			return nil
		},
	}
	s := c.Flags()
	s.StringVar(&o.Subject, "subject", "", "subject file of a good subject; its frames are rewritten by a proxy (default: the peer of adit-conform fault)")
	s.StringSliceVar(&o.Only, "id", nil, "only these mutants, requirements or unusual choices, comma separated")
	s.BoolVar(&o.Full, "full", false, "run every case against every mutant and liar, and certify each unusual choice of fault odds")
	s.BoolVar(&o.Slow, "slow", false, "run cases that wait for timers over 60 s, too")
	s.BoolVar(&o.AllCuts, "segmentation", false, "run each case with its octets cut in all ways, too")
	s.BoolVar(&asJSON, "json", false, "write JSON instead of tables")
	s.IntVar(&o.Jobs, "jobs", defaultJobs, "mutants at a time")
	s.Uint64Var(&o.Seed, "seed", 1, "of every run")
	return c
}
