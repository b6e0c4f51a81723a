package report

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/loadgen/record"
)

// A browser loads the pages: the script runs, and no request is made but the
// one for the page. One to elsewhere would be refused by the page's own policy, which the console would tell.
func TestPagesInABrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			browser = found
			break
		}
	}
	if browser == "" {
		t.Skip("not run: no Chromium is installed (Debian: apt-get install chromium)")
	}
	r := sampleRecord(t)
	pages := map[string]string{"/record": pageOf(r), "/index": Index([]*record.Record{r})}
	var mu sync.Mutex
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, q.URL.Path)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if _, err := w.Write([]byte(pages[q.URL.Path])); err != nil {
			t.Log(err)
		}
	}))
	defer s.Close()
	for path := range pages {
		mu.Lock()
		asked = nil
		mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var log strings.Builder
		cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir="+t.TempDir(),
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--enable-logging=stderr",
			"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--dump-dom", s.URL+path)
		cmd.Stderr = &log
		dom, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", browser, err, log.String())
		}
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "CONSOLE") {
				t.Errorf("%s: %s", path, line)
			}
		}
		if got := string(dom); !strings.Contains(got, `class="js"`) || strings.Contains(got, `type="button" hidden`) || !strings.Contains(got, "aria-label=\"tunnel some") {
			t.Errorf("%s: the script did not run", path)
		}
		mu.Lock()
		if len(asked) != 1 || asked[0] != path {
			t.Errorf("%s: requests %q; want the page alone", path, asked)
		}
		mu.Unlock()
	}
}
