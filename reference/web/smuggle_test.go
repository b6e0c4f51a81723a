package web

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

var framing = regexp.MustCompile(`(?im)^(content-length|transfer-encoding)[ \t]*:`)

// Whatever a visitor sends, the service sees no more requests than the visitor has answers for, each with one length, and
// nothing of what the proxy refuses.
func TestNothingIsSmuggled(t *testing.T) {
	const hidden = "GET /hidden HTTP/1.1\r\nHost: a.b\r\n\r\n"
	for _, c := range []struct {
		name, text string
		answers    []string // how they begin
		seen       []string
	}{
		{"plain", "POST /p HTTP/1.1\r\nHost: a.b\r\nContent-Length: 2\r\n\r\nhi", []string{"200 /p"}, []string{"POST /p hi"}},
		{"CL.TE", "POST /p HTTP/1.1\r\nHost: a.b\r\nContent-Length: 40\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, []string{"200 /p"}, []string{"POST /p "}},
		{"TE.CL", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n23\r\n" + hidden + "\r\n0\r\n\r\n", []string{"200 /p"}, []string{"POST /p " + hidden}},
		{"TE.TE", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + hidden, []string{"501"}, nil},
		{"TE twice", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + hidden, []string{"501"}, nil},
		{"TE unknown", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", []string{"501"}, nil},
		{"TE identity", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", []string{"501"}, nil},
		{"TE with a space", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", []string{"400"}, nil},
		{"TE with a tab", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", []string{"200 /p"}, []string{"POST /p "}},
		{"TE of 1.0", "POST /p HTTP/1.0\r\nHost: a.b\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n" + hidden, []string{"200 /p"}, []string{"POST /p 0\r"}},
		{"CL twice", "POST /p HTTP/1.1\r\nHost: a.b\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", []string{"400"}, nil},
		{"CL list", "POST /p HTTP/1.1\r\nHost: a.b\r\nContent-Length: 2, 2\r\n\r\nhi", []string{"400"}, nil},
		{"CL signed", "POST /p HTTP/1.1\r\nHost: a.b\r\nContent-Length: +2\r\n\r\nhi", []string{"400"}, nil},
		{"CL huge", "POST /p HTTP/1.1\r\nHost: a.b\r\nContent-Length: 99999999999999999999\r\n\r\nhi", []string{"400"}, nil},
		{"CL.0", "GET /p HTTP/1.1\r\nHost: a.b\r\nContent-Length: 35\r\n\r\n" + hidden, []string{"200 /p"}, []string{"GET /p " + hidden}},
		{"fold", "GET /p HTTP/1.1\r\nHost: a.b\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n", []string{"200 /p"}, []string{"GET /p "}},
		{"fold of TE", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", []string{"200 /p"}, []string{"POST /p "}},
		{"bare LF", "POST /p HTTP/1.1\nHost: a.b\nContent-Length: 2\n\nhi", []string{"200 /p"}, []string{"POST /p hi"}},
		{"bare CR", "GET /p HTTP/1.1\r\nHost: a.b\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n", []string{"400"}, nil},
		{"NUL", "GET /p HTTP/1.1\r\nHost: a.b\r\nX: a\x00b\r\n\r\n", []string{"400"}, nil},
		{"no host", "GET /p HTTP/1.1\r\n\r\n", []string{"400"}, nil},
		{"two hosts", "GET /p HTTP/1.1\r\nHost: a.b\r\nHost: other.b\r\n\r\n", []string{"400"}, nil},
		{"bad host", "GET /p HTTP/1.1\r\nHost: a.b/x\r\n\r\n", []string{"400"}, nil},
		{"absolute form", "GET http://a.b/p HTTP/1.1\r\nHost: other.b\r\n\r\n", []string{"200 /p"}, []string{"GET /p "}},
		{"absolute form elsewhere", "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: a.b\r\n\r\n", []string{"404"}, nil},
		{"authority form", "CONNECT a.b:443 HTTP/1.1\r\nHost: a.b\r\n\r\n", []string{"400"}, nil},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a.b\r\n\r\n", []string{"200"}, nil},
		{"chunk sizes", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n", []string{"200 /p"}, []string{"POST /p hi"}},
		{"chunk size of a sign", "POST /p HTTP/1.1\r\nHost: a.b\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nhi\r\n0\r\n\r\n", []string{"502"}, nil},
		{"pipelined", "GET /1 HTTP/1.1\r\nHost: a.b\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.b\r\n\r\n", []string{"200 /1", "200 /2"}, []string{"GET /1 ", "GET /2 "}},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []string{"505"}, nil},
		{"header too long", "GET /p HTTP/1.1\r\nHost: a.b\r\nX: " + strings.Repeat("x", maxHeader+8<<10) + "\r\n\r\n", []string{"431"}, nil},
		{"Connection hides", "GET /p HTTP/1.1\r\nHost: a.b\r\nConnection: close, X-Forwarded-For, Content-Length\r\n\r\n", []string{"200 /p"}, []string{"GET /p "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := begin(t, Config{})
			r.lead("a.b")
			r.lead("other.b/other")
			conn := dial(t, r.plain)
			all := send(t, conn, c.text, len(c.answers))
			ok := len(all) == len(c.answers)
			for i := range min(len(all), len(c.answers)) {
				ok = ok && strings.HasPrefix(all[i], c.answers[i])
			}
			seen, raw := r.service.seen()
			if !ok || fmt.Sprint(seen) != fmt.Sprint(c.seen) && !(c.answers[0] == "502" && len(seen) <= 1) {
				t.Errorf("the visitor reads %q and the service sees %q; want %q and %q", all, seen, c.answers, c.seen)
			}
			for head := range strings.SplitSeq(raw, "\r\n\r\n") {
				if n := len(framing.FindAllString(head, -1)); n > 1 {
					t.Errorf("the service reads %d lengths: %q", n, head)
				}
			}
			more := send(t, conn, "GET /end HTTP/1.1\r\nHost: a.b\r\nConnection: close\r\n\r\n", 9)
			if end, _ := r.service.seen(); len(more) > 1 || len(more) == 1 && more[0] != "200 /end" || len(end) != len(more) {
				t.Errorf("then the visitor reads %q, and the service sees %q", more, end)
			}
			if len(seen) > 0 && strings.Count(raw, "X-Forwarded-For: 127.0.0.1\r\n") != len(seen) {
				t.Errorf("the service does not hear who visits: %q", raw)
			}
		})
	}
}
