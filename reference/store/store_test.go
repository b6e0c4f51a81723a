package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/reference/mapping"
	"github.com/adit-tunnel/adit/reference/store"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("STORE_TEST_VICTIM"); path != "" {
		victim(path)
		return
	}
	os.Exit(m.Run())
}

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestLifeOfAMapping(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new folder", "map ?%#.db")
	s := open(t, path)
	want := mapping.Mapping{Port: 10022, TargetHost: "127.0.0.1", TargetPort: 22, UseTunnel: true, Client: "192.0.2.0/24", Service: "ssh", Key: "home", Name: "workshop", CreatedAt: time.Unix(1_700_000_000, 0), Options: mapping.Options{Allow: []string{"::1"}, MaxConnections: 3, RateUp: 4096}}
	made, err := s.Create(t.Context(), want)
	if want.ID = made.ID; err != nil || made.ID == 0 || !reflect.DeepEqual(made, want) {
		t.Fatalf("Create = %+v, %v; want the mapping with an ID", made, err)
	}
	if _, err := s.Create(t.Context(), mapping.Mapping{Port: 10022}); !isKind(err, mapping.Conflict) {
		t.Errorf("a second Create for the port = %v; want a conflict", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	all, err := s.List(t.Context())
	if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], made) {
		t.Fatalf("List() after reopening = %+v, %v; want %+v", all, err, made)
	}
	if err := s.Remove(t.Context(), "10022"); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), "10022"); !isKind(err, mapping.NotFound) {
		t.Errorf("a second Remove = %v; want not found", err)
	}
	again, err := s.Create(t.Context(), mapping.Mapping{Port: 10022, TargetHost: "::1", TargetPort: 1})
	if err != nil || again.ID == made.ID {
		t.Errorf("Create after Remove = %+v, %v; want a new ID", again, err)
	}
}

// A database of the first layout, which knew no options, keeps its mappings and takes new ones.
func TestAnOlderDatabaseIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	execute(t, path, `CREATE TABLE mappings (id INTEGER PRIMARY KEY AUTOINCREMENT, port INTEGER NOT NULL UNIQUE, target_host TEXT NOT NULL,
		target_port INTEGER NOT NULL, use_tunnel INTEGER NOT NULL, client TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
		INSERT INTO mappings VALUES (7, 10022, 'h', 22, 1, '10.0.0.1', 1700000000); PRAGMA user_version = 1`)
	s := open(t, path)
	want := []mapping.Mapping{{ID: 7, Port: 10022, TargetHost: "h", TargetPort: 22, UseTunnel: true, Client: "10.0.0.1", CreatedAt: time.Unix(1_700_000_000, 0)}}
	if all, err := s.List(t.Context()); err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("List() = %+v, %v; want %+v", all, err, want)
	}
	if m, err := s.Create(t.Context(), mapping.Mapping{Port: 10023, Options: mapping.Options{MaxPerAddress: 1}}); err != nil || m.ID != 8 {
		t.Errorf("Create = %+v, %v; want the next ID", m, err)
	}
}

// Options that somebody broke by hand are named with their port.
func TestBrokenOptionsAreExplained(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.db")
	s := open(t, path)
	if _, err := s.Create(t.Context(), mapping.Mapping{Port: 10022}); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	execute(t, path, `UPDATE mappings SET options = '{"rate":1}'`)
	if _, err := open(t, path).List(t.Context()); err == nil || !strings.Contains(err.Error(), path+": the options of the mapping of 10022: rate is not a field") {
		t.Errorf("List() = %v; want the file, the port and the field", err)
	}
}

func isKind(err error, kind mapping.Kind) bool {
	e, ok := errors.AsType[*mapping.Error](err)
	return ok && e.Kind == kind
}

// A removal deletes its own row alone.
func TestRemoveLeavesTheOtherMappings(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "m.db"))
	var want []mapping.Mapping
	for _, port := range []int{1, 2, 3} {
		m, err := s.Create(t.Context(), mapping.Mapping{Port: port, TargetHost: "h", TargetPort: port, CreatedAt: time.Unix(int64(port), 0)})
		if err != nil {
			t.Fatal(err)
		}
		if port != 2 {
			want = append(want, m)
		}
	}
	if err := s.Remove(t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	if all, err := s.List(t.Context()); err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("List() after Remove(2) = %+v, %v; want %+v", all, err, want)
	}
}

// execute changes a database behind the store's back.
func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestBadFilesAreExplained(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign, newer := filepath.Join(dir, "foreign.db"), filepath.Join(dir, "newer.db")
	execute(t, foreign, "CREATE TABLE mappings (id INTEGER PRIMARY KEY, source_port INTEGER)")
	execute(t, newer, "PRAGMA user_version = 1000")
	locked := filepath.Join(dir, "locked.db")
	open(t, locked)
	for _, c := range []struct{ name, path, remedy string }{
		{"not a database", garbage, "not a database"},
		{"a folder", dir, "cannot be written"},
		{"below a file", filepath.Join(file, "x.db"), "folder cannot be made"},
		{"of another program", foreign, "another program"},
		{"of a newer server", newer, "newer server"},
		{"empty", "", "name a file"},
		{"locked by another server", locked, "another process holds"},
	} {
		s, err := store.Open(c.path)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: Open(%s) succeeds", c.name, c.path)
			continue
		}
		if !strings.Contains(err.Error(), c.path) || !strings.Contains(err.Error(), c.remedy) || !strings.Contains(err.Error(), "database.path") {
			t.Errorf("%s: Open = %q; want the path, the key and %q", c.name, err, c.remedy)
		}
	}
}

// victim creates and removes mappings from four goroutines, each with ports of its own, tells each change on
// standard output before it asks for it and after it was acknowledged, and waits to be killed.
func victim(path string) {
	s, err := store.Open(path)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var out sync.Mutex
	say := func(what string, port int) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(what, port)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			there := map[int]bool{}
			for {
				var err error
				port := 1000*(g+1) + rand.IntN(20)
				if there[port] {
					say("remove", port)
					err = s.Remove(context.Background(), strconv.Itoa(port))
				} else {
					say("create", port)
					_, err = s.Create(context.Background(), row(port))
				}
				if err != nil {
					say("error: "+err.Error(), port)
					os.Exit(1)
				}
				there[port] = !there[port]
				say("done", port)
			}
		})
	}
	wg.Wait()
}

// row is what victim stores for a port, long enough to span pages of the file.
func row(port int) mapping.Mapping {
	return mapping.Mapping{Port: port, TargetHost: strings.Repeat("h", 2000), TargetPort: port, UseTunnel: true, Client: "c", CreatedAt: time.Unix(int64(port), 0)}
}

// API-003: killed at 50 random instants during concurrent creates and removes, every acknowledged change is
// there, and of those that were under way each is there whole or not at all.
func TestKilledAtRandomInstants(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	acknowledged, underWay := 0, 0
	for round := range rounds {
		path := filepath.Join(dir, fmt.Sprint(round))
		there, open := killed(t, self, path)
		acknowledged, underWay = acknowledged+len(there), underWay+len(open)
		have := map[int]bool{}
		for _, m := range list(t, path) {
			have[m.Port] = true
			want := row(m.Port)
			want.ID = m.ID
			if !reflect.DeepEqual(m, want) || m.ID == 0 {
				t.Errorf("round %d: mapping half there: %+v", round, m)
			}
		}
		for port := range have {
			if _, told := there[port]; !told && !open[port] {
				t.Errorf("round %d: port %d has a mapping that nobody asked for", round, port)
			}
		}
		for port, want := range there {
			if have[port] != want && !open[port] {
				t.Errorf("round %d: port %d has a mapping: %v; acknowledged was %v", round, port, have[port], want)
			}
		}
	}
	if acknowledged < rounds || underWay < rounds/2 {
		t.Errorf("%d rounds with %d ports changed and %d changes under way prove nothing", rounds, acknowledged, underWay)
	}
}

// killed runs victim on path and kills it at a random instant. It returns which ports had a mapping by the
// last acknowledged change of each, and the ports with a change under way.
func killed(t *testing.T, self, path string) (there, open map[int]bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), "STORE_TEST_VICTIM="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	there, open = map[int]bool{}, map[int]bool{}
	creating := map[int]bool{}
	most := 8 + rand.IntN(150) // lines before the kill
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var verb string
		var port int
		if _, err := fmt.Sscan(lines.Text(), &verb, &port); err != nil {
			if strings.HasPrefix(lines.Text(), "error") {
				t.Errorf("the child said %q", lines.Text())
			}
			continue // cut off by the kill
		}
		if verb == "done" {
			there[port] = creating[port]
			delete(open, port)
		} else {
			creating[port], open[port] = verb == "create", true
		}
		if n == most {
			_ = cmd.Process.Kill() // what is in the pipe is still read
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Errorf("the child ended by itself: %v", cmd.ProcessState)
	}
	return there, open
}

func list(t *testing.T, path string) []mapping.Mapping {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	all, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}
