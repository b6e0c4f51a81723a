package codec

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adit-tunnel/adit/conformance/report"
	"github.com/adit-tunnel/adit/spec"
)

const example = "../examples/python/codec.py"

// python is the interpreter's path; a test that needs it is not run without.
func python(t *testing.T) string {
	t.Helper()
	p, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("not run: python3 is not installed")
	}
	return p
}

// mutant is a copy of the example with one text replaced, as a command line.
func mutant(t *testing.T, old, replaced string) string {
	t.Helper()
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte(old)); n != 1 {
		t.Fatalf("%s has %q %d times; want once, so that the mutant differs in one place", example, old, n)
	}
	file := filepath.Join(t.TempDir(), "codec.py")
	if err := os.WriteFile(file, bytes.Replace(b, []byte(old), []byte(replaced), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	return "'" + python(t) + "' '" + file + "'"
}

func run(t *testing.T, command string, timeout time.Duration, vectors ...string) *Report {
	t.Helper()
	r, err := Run(t.Context(), Options{Command: command, Timeout: timeout, Vectors: vectors})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// runExt is run with the frames of the Extended profile.
func runExt(t *testing.T, command string, vectors ...string) *Report {
	t.Helper()
	r, err := Run(t.Context(), Options{Command: command, Timeout: time.Minute, Vectors: vectors, Ext: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func shownText(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheExamplePasses(t *testing.T) {
	t.Parallel()
	r := run(t, "'"+python(t)+"' "+example, time.Minute)
	if r.ExitCode != report.ExitCertified || r.count(Pass) != len(slices.Collect(spec.Vectors(""))) {
		t.Errorf("exit code %d, %d vectors passed; want 0, all\n%s", r.ExitCode, r.count(Pass), shownText(t, r))
	}
	for _, k := range kinds {
		if r.Counts[k][Pass] == 0 || r.questions(k) < r.Counts[k][Pass] {
			t.Errorf("kind %s: %d passed, %d questions", k, r.Counts[k][Pass], r.questions(k))
		}
	}
}

func TestTheExamplePassesTheExtendedFrames(t *testing.T) {
	t.Parallel()
	var frames []string
	for v := range spec.ExtVectors("frame") {
		frames = append(frames, v.ID)
	}
	r := runExt(t, "'"+python(t)+"' "+example, frames...)
	if r.ExitCode != report.ExitCertified || r.count(Pass) != len(frames) || len(frames) < 50 {
		t.Errorf("exit code %d, %d vectors passed; want 0, %d\n%s", r.ExitCode, r.count(Pass), len(frames), shownText(t, r))
	}
}

func TestExtendedMutantsAreFound(t *testing.T) {
	tests := []struct{ name, old, replaced, notices string }{
		{"takes a HELLO that is too long", "if kind == HELLO and length > EXTENDED[kind][3]:", "if False:", "frame_size_hello_4097"},
		{"has no sizes", "return least <= len(payload) <= most", "return True", "frame_size_fin_5"},
		{"takes OPENED from a server", `kind == OPENED and self.role == "client"`, "False", "frame_role_opened_from_server"},
		{"takes types of options", "if kind in OPTIONS:", "if False:", "frame_role_option_type"},
		{"takes a tag twice", " or any(t == tag for t, _ in found)", "", "frame_tlv_port_twice"},
		{"has no sizes of tags", "sizes and size not in sizes", "False", "frame_tlv_window_3"},
		{"takes TLVs that are cut", "if len(octets) < 4 + size:", "if False:", "frame_tlv_cut_value"},
		{"knows a tag in every frame", "all((kind, sender) in places for sender in senders)", "tag in TAGS", "frame_hello_tag_of_open"},
		{"takes critical tags", "if tag >= 0x8000 and", "if False and", "frame_critical_hello"},
		{"forgets a TLV", "found.append((tag, value))", "found = found or [(tag, value)]", "frame_hello_grease"},
		{"swaps code and text", `"id code text"`, `"id text code"`, "frame_reset_text"},
		{"has a limit of four octets", `"limit": 8`, `"limit": 4`, "frame_window_order"},
		{"encodes without the mark", "payload += bytes.fromhex(frame[field])", "payload += b\"\"", "frame_ping"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := runExt(t, mutant(t, tt.old, tt.replaced), tt.notices, "frame_keepalive")
			for _, res := range r.Results {
				if failed := res.Verdict == Fail || res.Verdict == Ended; failed != (res.Vector == tt.notices) {
					t.Errorf("%s: %s", res.Vector, res.Verdict)
				}
			}
		})
	}
}

// Each mutant breaks one rule; the vectors named notice it.
func TestMutantsAreFound(t *testing.T) {
	tests := []struct{ name, old, replaced, notices string }{
		{"takes any version", "if version != VERSION:", "if version == 0xEE:", "frame_version_two frame_version_http stream_error_version"},
		{"has no limit of length", "if length > MAX_PAYLOAD:", "if length > 1 << 40:", "frame_length_data stream_error_length dialogue_client_length"},
		{"refuses the largest payload", "if length > MAX_PAYLOAD:", "if length >= MAX_PAYLOAD:", "frame_data_max stream_max_split"},
		{"reads the length with a sign", `">BBI"`, `">BBi"`, "frame_length_data_sign"},
		{"reads the length from the wrong end", `">BBI"`, `"<BBI"`, "frame_close stream_joined"},
		{"reads the port from the wrong end", `payload[4:6], "big"`, `payload[4:6], "little"`, "frame_request_short"},
		{"compares the host's size in eight bits", "n == 7 + payload[6]", "(n - 7) % 256 == payload[6]", "frame_size_request_host_wraps"},
		{"knows no short form", "n == 6 or (", "(", "frame_request_short"},
		{"takes an empty Close", "return n == 4\n", "return n in (0, 4)\n", "frame_size_close_0"},
		{"takes a KeepAlive with a payload", "return n == 0 or kind != KEEPALIVE", "return True", "frame_size_keepalive_1"},
		{"wants octets in Data", "return n >= 4", "return n > 4", "frame_data_empty"},
		{"refuses unknown types", `{"type": f"0x{kind:02X}", "octets": payload.hex()}`, `1 // 0`, "frame_type_10"},
		{"knows no role", `self.role == "server" and`, "False and", "frame_role_request_from_client dialogue_server_request"},
		{"waits for a payload that is too long", "if length > MAX_PAYLOAD:", "if length > MAX_PAYLOAD and len(self.buffer) > HEADER.size:", "frame_length_data"},
		{"forgets what is left of a read", "if len(self.buffer) < end:\n                return", "if len(self.buffer) < end:\n                self.buffer.clear()\n                return", "stream_straddle frame_data"},
		{"takes one frame of a read", "yield parse(kind, payload)", "yield parse(kind, payload)\n            return", "stream_joined"},
		{"acts on what follows an error", `return {"frames": frames, "error": v.error}`, `return {"frames": frames + [{"type": "KeepAlive"}], "error": v.error}`, "frame_version_two"},
		{"names the wrong layer", `Violation("size", "FRAME-008")`, `Violation("length", "FRAME-008")`, "frame_size_close_0"},
		{"names the wrong requirement", `Violation("version", "FRAME-002")`, `Violation("version", "FRAME-001")`, "frame_version_two"},
		{"ends a connection for the tunnel", `"dies": "tunnel"`, `"dies": "connection"`, "frame_size_close_0"},
		{"encodes the status as 0", `bytes([frame["status"]])`, "bytes(1)", "frame_response_refused"},
		{"encodes without the host's size", "bytes([len(host)]) + host", "host", "frame_request_addressed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			notices := strings.Fields(tt.notices)
			r := run(t, mutant(t, tt.old, tt.replaced), time.Minute, append(notices, "frame_keepalive")...)
			verdicts := map[string]Verdict{}
			for _, res := range r.Results {
				verdicts[res.Vector] = res.Verdict
				if (res.Finding == nil) != (res.Verdict == Pass || res.Verdict == NotRun) {
					t.Errorf("%s: verdict %s with the finding %+v", res.Vector, res.Verdict, res.Finding)
				}
			}
			for _, id := range notices {
				if v := verdicts[id]; v != Fail && v != Ended {
					t.Errorf("%s: %q; want a failure", id, v)
				}
			}
			if r.ExitCode != report.ExitFailed && r.ExitCode != report.ExitUnreachable {
				t.Errorf("exit code %d, %d passed\n%s", r.ExitCode, r.count(Pass), shownText(t, r))
			}
		})
	}
}

// What is no codec at all gets a finding that names the vector and the remedy, by the deadline.
func TestProgramsThatDoNotAnswer(t *testing.T) {
	tests := []struct {
		name, command string
		timeout       time.Duration
		exit          int
		says          string
	}{
		{"ends at once", "true", time.Minute, report.ExitUnreachable, "before its first answer"},
		{"is not there", "./no-such-codec", time.Minute, report.ExitUnreachable, "status 127"},
		{"ends with a word on standard error", "echo broken pump >&2; exit 7", time.Minute, report.ExitUnreachable, "broken pump"},
		{"is ended by a signal", "kill -9 $$", time.Minute, report.ExitUnreachable, "killed"},
		{"never answers", "cat >/dev/null", 50 * time.Millisecond, report.ExitFailed, "no answer within 50ms"},
		{"never reads", "sleep 600", 50 * time.Millisecond, report.ExitFailed, "no answer within 50ms"},
		{"closes its output and lives", "exec >&-; sleep 600", time.Minute, report.ExitUnreachable, "closed its standard output"},
		{"writes a greeting", "echo hello; cat >/dev/null", time.Minute, report.ExitFailed, "logs belong on standard error"},
		{"writes for ever", "yes", time.Minute, report.ExitFailed, "one JSON object a line"},
		{"writes a line without end", "cat /dev/zero", time.Minute, report.ExitFailed, "line feed"},
		{"writes much on standard error", "yes >&2", 50 * time.Millisecond, report.ExitFailed, "no answer"},
		{"repeats the request", "cat", time.Minute, report.ExitFailed, `unknown field "op"`},
		{"answers somebody else", `while read -r l; do echo '{"id":"x"}'; done`, time.Minute, report.ExitFailed, `the id "x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, tt.command, tt.timeout)
			first := r.Results[0]
			if r.ExitCode != tt.exit || first.Finding == nil || r.questions("") != 1 {
				t.Fatalf("exit code %d, %d questions; want %d after one question\n%s", r.ExitCode, r.questions(""), tt.exit, shownText(t, r))
			}
			out := shownText(t, r)
			for _, want := range []string{first.Vector, "remedy    ", tt.says} {
				if !strings.Contains(out, want) {
					t.Errorf("the report does not show %q:\n%s", want, out)
				}
			}
		})
	}
}

// A program that fails at some vectors is started anew, and shown whole.
func TestAMishapCostsOneVector(t *testing.T) {
	tests := []struct {
		name, old, replaced string
		verdict             Verdict
		exit                int
	}{
		{
			"ends", "    request = json.loads(line)", "    request = json.loads(line)\n    if request['id'] == 'stream_joined/chunks':\n        sys.exit('out of ideas')",
			Ended, report.ExitUnreachable,
		},
		{
			"hangs", "    request = json.loads(line)", "    request = json.loads(line)\n    if request['id'] == 'stream_joined/chunks':\n        sys.stdin.read()",
			Fail, report.ExitFailed,
		},
		{
			"answers twice", "    print(", "    if request['id'] == 'stream_joined/chunks':\n        print(json.dumps({'id': request['id']} | answer(request)))\n    print(",
			Fail, report.ExitFailed,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, mutant(t, tt.old, tt.replaced), 20*time.Second, "stream_joined*", "frame_close*")
			for _, res := range r.Results {
				want := Pass
				if res.Vector == "stream_joined" {
					want = tt.verdict
				}
				if res.Verdict != want {
					t.Errorf("%s: %s; want %s (%+v)", res.Vector, res.Verdict, want, res.Finding)
				}
			}
			if r.ExitCode != tt.exit {
				t.Errorf("exit code %d; want %d", r.ExitCode, tt.exit)
			}
		})
	}
}

func TestAProgramThatKeepsFailingIsGivenUp(t *testing.T) {
	r := run(t, mutant(t, "    print(", "    if request['id'].endswith('/first-2'):\n        sys.exit(1)\n    print("), time.Minute, "frame_request_*")
	if r.count(Ended) != mishaps || r.count(NotRun) == 0 || r.ExitCode != report.ExitUnreachable {
		t.Errorf("%d ended, %d not run, exit code %d; want %d, some, %d", r.count(Ended), r.count(NotRun), r.ExitCode, mishaps, report.ExitUnreachable)
	}
}

func TestAnInterruptEndsTheExam(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Run(ctx, Options{Command: "cat >/dev/null"})
	if err != nil || r.ExitCode != report.ExitInconclusive || r.count(NotRun) != len(r.Results) {
		t.Errorf("Run: %v, %+v; want all not run, exit code %d", err, r, report.ExitInconclusive)
	}
}

func TestAPatternThatSelectsNothing(t *testing.T) {
	for _, pattern := range []string{"frame_nothing*", "[", ""} {
		if r, err := Run(t.Context(), Options{Command: "true", Vectors: []string{"frame_close", pattern}}); err == nil {
			t.Errorf("Run with the pattern %q: %+v; want an error", pattern, r)
		}
	}
}

func TestReportAsJSON(t *testing.T) {
	r := run(t, "echo hello; cat >/dev/null", time.Minute)
	var b bytes.Buffer
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var again Report
	if err := json.Unmarshal(b.Bytes(), &again); err != nil {
		t.Fatal(err)
	}
	if again.ExitCode != report.ExitFailed || again.Counts["frame"][Fail] != 1 || again.Results[0].Finding.Remedy == "" {
		t.Errorf("%+v; want one failure with a remedy", again)
	}
}

func TestAnswersAreStrict(t *testing.T) {
	for line, want := range map[string]string{
		`{"id":"x","frmaes":[]}`:                             "frmaes",
		`{"id":"x"} {}`:                                      "more than one",
		`{"id":"x","octets":"0g"}`:                           "0g",
		`{"id":"x","frames":[{"type":"Close","id":-1}]}`:     "uint32",
		`{"id":"x","frames":[{"type":"0x80","octets":"8"}]}`: "frame 1",
		`[]`: "array",
	} {
		if _, err := parseAnswer([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseAnswer(%s) = %v; want an error with %q", line, err, want)
		}
	}
}

func TestRight(t *testing.T) {
	keep, other := spec.Decoded{Type: "KeepAlive"}, spec.Decoded{Type: "0x80", Octets: new(spec.Octets("61*3"))}
	bad := func(requirement string) *spec.Failure {
		return &spec.Failure{Layer: "size", Dies: "tunnel", Requirement: requirement}
	}
	tests := []struct {
		name      string
		got, want Answer
		ok        bool
	}{
		{"an unknown type, skipped", Answer{Frames: []spec.Decoded{keep}}, Answer{Frames: []spec.Decoded{other, keep}}, true},
		{"an unknown type, shown in another notation", Answer{Frames: []spec.Decoded{{Type: "0x80", Octets: new(spec.Octets("61 6161"))}, keep}}, Answer{Frames: []spec.Decoded{other, keep}}, true},
		{"an unknown type with other octets", Answer{Frames: []spec.Decoded{{Type: "0x80", Octets: new(spec.Octets("61"))}, keep}}, Answer{Frames: []spec.Decoded{other, keep}}, false},
		{"a known type, left out", Answer{}, Answer{Frames: []spec.Decoded{keep}}, false},
		{"a frame too many", Answer{Frames: []spec.Decoded{keep, keep}}, Answer{Frames: []spec.Decoded{keep}}, false},
		{"an error without its requirement", Answer{Error: bad("")}, Answer{Error: bad("FRAME-008")}, true},
		{"an error with another requirement", Answer{Error: bad("FRAME-004")}, Answer{Error: bad("FRAME-008")}, false},
		{"an error where there is none", Answer{Error: bad("")}, Answer{}, false},
		{"no error where there is one", Answer{}, Answer{Error: bad("")}, false},
		{"a wrong rest", Answer{Rest: 3}, Answer{Rest: 4}, false},
		{"octets for frames", Answer{Octets: new(spec.Octets(""))}, Answer{}, false},
		{"octets and an error", Answer{Octets: new(spec.Octets("01")), Error: bad("")}, Answer{Octets: new(spec.Octets("01"))}, false},
	}
	for _, tt := range tests {
		if ok := right(tt.got, tt.want); ok != tt.ok {
			t.Errorf("%s: right = %v; want %v", tt.name, ok, tt.ok)
		}
	}
}

// The help and the guide show the same lines.
func TestTheGuideHasTheLinesOfTheHelp(t *testing.T) {
	guide, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(Lines) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "{") {
			continue
		}
		n++
		if !strings.Contains(string(guide), "    "+line+"\n") {
			t.Errorf("README.md has not the line %s", line)
		}
	}
	if n != 6 {
		t.Errorf("%d lines; want 6", n)
	}
}
