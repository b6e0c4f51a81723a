package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/adit-tunnel/adit/reference/config"
	"github.com/adit-tunnel/adit/reference/files"
)

const (
	ctlKeyVariable = "ADIT_API_KEY"
	ctlTimeout     = 30 * time.Second // of one answer, but for the stream of events
)

// ctl is the command line of the API: it asks a server that runs. It returns the exit code: 2 for a command line that cannot be
// meant, 1 for what was refused or did not answer.
func ctl(args []string, out, notes io.Writer) int {
	c := &control{out: out, notes: notes}
	root := c.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(notes)
	if err := root.ExecuteContext(context.Background()); err != nil {
		if c.asked {
			_, _ = fmt.Fprintf(notes, "adit-server ctl: %v\n", err)
			return 1
		}
		_, _ = fmt.Fprintf(notes, "adit-server ctl: %v; --help lists what there is\n", err)
		return 2
	}
	return 0
}

// control is one call of ctl.
type control struct {
	out, notes   io.Writer
	api, keyFile string
	json         bool
	asked        bool // the server, so the command line was right
}

func (c *control) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "ctl",
		Short: "ask a server that runs, and change its mappings and keys",
		Long: "adit-server ctl asks the API of a server that runs, and changes its mappings and keys.\n\n" +
			"A server with security.api.enable_auth wants a key (adit-server apikey NAME): in " + ctlKeyVariable + ", or in a file of its own.",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&c.api, "api", "http://127.0.0.1:8080", "where the API is")
	root.PersistentFlags().StringVar(&c.keyFile, "key-file", "", "file that has the API key in its only line, for its owner alone")
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print the answer's data as JSON")
	root.CompletionOptions.DisableDefaultCmd = true

	show := func(use, short, path, list string, columns ...string) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := c.ask(cmd.Context(), http.MethodGet, path, nil)
			if err != nil || c.json {
				return err
			}
			return c.table(data, list, columns)
		}}
	}
	do := func(use, short, method, path string, body func(arg string) (any, error)) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) (err error) {
			var send any
			if body != nil {
				if send, err = body(args[0]); err != nil {
					return err
				}
			} else {
				path += "/" + url.PathEscape(args[0])
			}
			_, err = c.ask(cmd.Context(), method, path, send)
			return err
		}}
	}

	var direct bool
	var client string
	mapPort := &cobra.Command{Use: "map PORT[=[HOST:]PORT]", Short: "map a port, or FROM-TO of them, or HOST[/PATH] of the web, as --map does, and store that", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		all, err := config.ParseMap(args[0])
		for _, q := range all {
			if q.Client = cmp.Or(q.Client, client); direct {
				q.UseTunnel = new(false)
			}
			if err == nil {
				_, err = c.ask(cmd.Context(), http.MethodPost, "/api/v1/mappings", q)
			}
		}
		return err
	}}
	mapPort.Flags().BoolVar(&direct, "direct", false, "the server connects itself, without a client")
	mapPort.Flags().StringVar(&client, "client", "", "address or CIDR of the clients that may serve it")

	keys := show("keys", "the names of clients' keys, and how many clients use each", "/api/v1/keys", "keys", "name", "clients")
	keys.AddCommand(
		do("add NAME", "make a key for a client, and print it once", http.MethodPost, "/api/v1/keys", func(arg string) (any, error) { return map[string]string{"name": arg}, nil }),
		do("remove NAME", "take a key away, and end its tunnels", http.MethodDelete, "/api/v1/keys", nil),
	)
	var kinds []string
	events := &cobra.Command{Use: "events", Short: "what happens, as it happens, a line of JSON each, until it is interrupted", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return c.events(cmd.Context(), kinds)
	}}
	events.Flags().StringSliceVar(&kinds, "kinds", nil, "groups of events: client, mapping, visitor, key (default: all)")
	root.AddCommand(
		show("mappings", "mapped ports, and what their visitors did", "/api/v1/mappings", "mappings", "port", "host", "path", "target_host", "target_port", "use_tunnel", "client", "stored", "active", "total", "failed", "octets_in", "octets_out", "error"),
		mapPort,
		do("unmap PORT|HOST[/PATH]", "end a mapping; visitors that came before go on", http.MethodDelete, "/api/v1/mappings", nil),
		show("clients", "clients that are connected", "/api/v1/clients", "clients", "id", "key", "name", "remote", "since", "profile", "tls", "rtt_ms", "active", "total", "failed", "octets_in", "octets_out"),
		show("connections", "visitors that are connected, the oldest first", "/api/v1/connections", "connections", "id", "port", "host", "target", "visitor", "client", "since", "octets_in", "octets_out"),
		keys, events,
		&cobra.Command{Use: "monitor", Short: "what the server itself takes up: goroutines, processor time, memory, descriptors", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := c.ask(cmd.Context(), http.MethodGet, "/api/v1/statistics", nil)
			if err != nil || c.json {
				return err
			}
			var s struct {
				Process json.RawMessage `json:"process"`
			}
			if err := json.Unmarshal(data, &s); err != nil {
				return err
			}
			return c.table([]byte(`{"process":[`+string(s.Process)+`]}`), "process", []string{"goroutines", "cpu_seconds", "memory_bytes", "descriptors", "max_descriptors"})
		}},
	)
	return root
}

// answered is the envelope of an answer.
type answered struct {
	Success bool            `json:"success"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

// request makes a request with the key that there is.
func (c *control) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	where, err := url.Parse(c.api)
	if err != nil || where.Scheme != "http" && where.Scheme != "https" || where.Host == "" {
		return nil, fmt.Errorf("--api: %q is no address of an API; write it like http://127.0.0.1:8080", c.api)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if body == nil {
		text = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.api, "/")+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	key := os.Getenv(ctlKeyVariable)
	if c.keyFile != "" {
		if key, err = files.ReadPrivate(c.keyFile, "whoever has a key can use the API"); err != nil {
			return nil, fmt.Errorf("--key-file: %w", err)
		}
	}
	if key = strings.TrimSpace(key); key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
		if addr, err := netip.ParseAddr(where.Hostname()); where.Scheme == "http" && where.Hostname() != "localhost" && (err != nil || !addr.IsLoopback()) {
			_, _ = fmt.Fprintln(c.notes, "adit-server ctl: the key goes to another machine and is not encrypted; use https, or ssh -L")
		}
	}
	c.asked = true
	return r, nil
}

// send sends a request; what is refused is an error that says why.
func (c *control) send(r *http.Request) (*http.Response, error) {
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the API does not answer (%w); start adit-server there, or say where it is by --api", err)
	}
	if w.StatusCode/100 == 2 {
		return w, nil
	}
	defer w.Body.Close()
	var a answered
	text, _ := io.ReadAll(io.LimitReader(w.Body, 1<<20)) // what there is of it
	if json.Unmarshal(text, &a) != nil || a.Message == "" {
		return nil, fmt.Errorf("%s answers %s, as the API of adit-server does not; look whether --api is right", c.api, w.Status)
	}
	if w.StatusCode == http.StatusUnauthorized {
		return nil, fmt.Errorf("%s; here by %s or --key-file", a.Message, ctlKeyVariable)
	}
	return nil, errors.New(a.Message)
}

// ask sends a request and returns the answer's data. What changes something says what it did, and a new key is printed alone, for
// scripts.
func (c *control) ask(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, ctlTimeout)
	defer cancel()
	r, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	w, err := c.send(r)
	if err != nil {
		return nil, err
	}
	defer w.Body.Close()
	var a answered
	if err := json.NewDecoder(w.Body).Decode(&a); err != nil {
		return nil, fmt.Errorf("the answer did not arrive whole: %w", err)
	}
	var made struct {
		Key string `json:"key"`
	}
	switch {
	case c.json:
		_, err = fmt.Fprintf(c.out, "%s\n", a.Data)
	case method == http.MethodGet:
	case json.Unmarshal(a.Data, &made) == nil && made.Key != "":
		_, err = fmt.Fprintln(c.out, made.Key)
		_, _ = fmt.Fprintln(c.notes, a.Message)
	default:
		_, err = fmt.Fprintln(c.out, a.Message)
	}
	return a.Data, err
}

// table prints a list of the answer, a line for each row.
func (c *control) table(data json.RawMessage, list string, columns []string) error {
	var all map[string]json.RawMessage
	var rows []map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(all[list]))
	d.UseNumber()
	if err := d.Decode(&rows); err != nil {
		return err
	}
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, strings.ToUpper(strings.Join(columns, "\t")))
	for _, row := range rows {
		var cells []string
		for _, name := range columns {
			value, ok := row[name]
			text := fmt.Sprint(value)
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				text = at.Local().Format(time.DateTime)
			}
			if !ok {
				text = ""
			}
			cells = append(cells, cmp.Or(printable(text), "-"))
		}
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var count struct {
		Count int `json:"count"`
	}
	if json.Unmarshal(data, &count) == nil && count.Count > len(rows) {
		_, _ = fmt.Fprintf(c.notes, "%d more are not shown\n", count.Count-len(rows))
	}
	return nil
}

// printable keeps what a stranger chose, as the name of a client, from commanding the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// events prints the stream.
func (c *control) events(ctx context.Context, kinds []string) error {
	path := "/api/v1/events"
	if len(kinds) > 0 {
		path += "?kinds=" + url.QueryEscape(strings.Join(kinds, ","))
	}
	r, err := c.request(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	w, err := c.send(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	kind := ""
	scan := bufio.NewScanner(w.Body)
	for scan.Scan() {
		if name, ok := strings.CutPrefix(scan.Text(), "event: "); ok {
			kind = name
		} else if data, ok := strings.CutPrefix(scan.Text(), "data: {"); ok {
			if _, err := fmt.Fprintf(c.out, "{\"event\":%q,%s\n", kind, data); err != nil {
				return err
			}
		}
	}
	return cmp.Or(scan.Err(), errors.New("the stream has ended: the server has stopped, or the key was taken away"))
}
