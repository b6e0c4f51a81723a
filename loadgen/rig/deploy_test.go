package rig

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/adit-tunnel/adit/conformance/subject"
	"github.com/adit-tunnel/adit/loadgen/scenario"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	question = `# How fast are three generators?
scenario: speed
generators: 3
load: {mode: pingpong, connections: 6, size: 1KiB}
limits: {generator: {cpus: 0.5, memory: 64MiB}, target: {cpus: 2}, relay: {memory: 7000000B}, server: {cpus: 1}}
`
	tunnel = `name: tunnel
server: {address: "tunnel.example:9000"}
visitor: "tunnel.example:10022"
`
)

// deployment is one of a scenario and subjects of these texts.
func deployment(t *testing.T, text string, subjects ...string) *Deployment {
	t.Helper()
	s, err := scenario.Parse("speed.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	l := &Deployment{Scenario: s, File: Source{"speed.yaml", []byte(text)}, Image: "registry.example/adit-load:1", Profile: "smoke"}
	for _, text := range subjects {
		l.Subjects = append(l.Subjects, Source{"tunnel's.yaml", []byte(text)})
	}
	return l
}

func emit(t *testing.T, l *Deployment, format string) string {
	t.Helper()
	text, err := l.Emit(format)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestGoldenFiles(t *testing.T) {
	for name, got := range map[string]string{
		"stack.yaml":             emit(t, deployment(t, question), "swarm"),
		"stack-tunnel.yaml":      emit(t, deployment(t, question, tunnel), "swarm"),
		"kubernetes.yaml":        emit(t, deployment(t, question), "kubernetes"),
		"kubernetes-tunnel.yaml": emit(t, deployment(t, question, tunnel), "kubernetes"),
	} {
		name = filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from what is written now; look at the difference, then run with -update:\n%s", name, got)
		}
	}
}

// cluster is what a file for Kubernetes holds, by name.
type cluster struct {
	services    map[string]*corev1.Service
	files       map[string]*corev1.ConfigMap
	jobs        map[string]*batchv1.Job
	deployments map[string]*appsv1.Deployment
}

// decode reads a file for Kubernetes into the published types; a field that they do not have is an error.
func decode(t *testing.T, text string) cluster {
	t.Helper()
	c := cluster{map[string]*corev1.Service{}, map[string]*corev1.ConfigMap{}, map[string]*batchv1.Job{}, map[string]*appsv1.Deployment{}}
	for doc := range strings.SplitSeq(text, "\n---\n") {
		doc += "\n"
		var what struct {
			APIVersion, Kind string
			Metadata         struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(doc), &what); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		var err error
		switch what.APIVersion + " " + what.Kind {
		case "v1 Service":
			err = into(c.services, what.Metadata.Name, doc)
		case "v1 ConfigMap":
			err = into(c.files, what.Metadata.Name, doc)
		case "batch/v1 Job":
			err = into(c.jobs, what.Metadata.Name, doc)
		case "apps/v1 Deployment":
			err = into(c.deployments, what.Metadata.Name, doc)
		default:
			t.Fatalf("%s %s: want an object that this test knows", what.APIVersion, what.Kind)
		}
		if err != nil {
			t.Errorf("%s %s: %v", what.Kind, what.Metadata.Name, err)
		}
	}
	return c
}

// into decodes as the API server does: a key in other letters than the type's is unknown, too.
func into[T any](m map[string]*T, name, doc string) error {
	m[name] = new(T)
	data, err := yaml.YAMLToJSONStrict([]byte(doc))
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(data, m[name])
	return errors.Join(append(unknown, err)...)
}

func TestUnknownKeysAreNotDecoded(t *testing.T) {
	const doc = "metadata: {name: x}\nspec: {completionMode: Indexed}\n"
	for text, right := range map[string]bool{
		doc: true, strings.Replace(doc, "completionMode", "completionmode", 1): false, strings.Replace(doc, "spec", "specs", 1): false, doc + "spec: {}\n": false,
	} {
		if err := into(map[string]*batchv1.Job{}, "x", text); (err == nil) != right {
			t.Errorf("%s%v; want that it is decoded: %v", text, err, right)
		}
	}
}

func TestKubernetesFilesAreOfThePublishedTypes(t *testing.T) {
	text := emit(t, deployment(t, question), "kubernetes")
	if !strings.Contains(text, "\n# not run: decoded strictly against the published API types only.\n") {
		t.Error("the file does not say that it was not run")
	}
	c := decode(t, text)
	generators := c.jobs["adit-load-worker"]
	if s := generators.Spec; *s.CompletionMode != batchv1.IndexedCompletion || *s.Completions != 3 || *s.Parallelism != 3 {
		t.Errorf("generators: %+v; want an Indexed Job of 3", s)
	}
	if s := *c.jobs["adit-load-leader"]; !*s.Spec.Suspend || *s.Spec.BackoffLimit != 0 || s.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("leader: %+v; want that it waits for its start, and runs once", s.Spec)
	}
	pods := map[string]corev1.PodTemplateSpec{"adit-load-worker": generators.Spec.Template}
	for name, d := range c.deployments {
		if *d.Spec.Replicas != 1 || !within(d.Spec.Selector.MatchLabels, d.Spec.Template.Labels) {
			t.Errorf("%s: %+v; want one pod, which its selector names", name, d.Spec)
		}
		pods[name] = d.Spec.Template
	}
	for name, pod := range pods {
		s := c.services[name]
		if s == nil || s.Spec.ClusterIP != corev1.ClusterIPNone || !within(s.Spec.Selector, pod.Labels) {
			t.Errorf("%s: service %+v; want one without address, for pods with labels %v", name, s, pod.Labels)
		}
	}
	for name, want := range map[string][2]string{"adit-load-worker": {"500m", "64Mi"}, "adit-load-target": {"2", "0"}, "adit-load-hop": {"0", "7M"}} {
		got := pods[name].Spec.Containers[0].Resources.Limits
		if got.Cpu().String() != want[0] || got.Memory().String() != want[1] {
			t.Errorf("%s: limits %v; want %v", name, got, want)
		}
	}
}

// within reports whether all labels of a selector are among those of a pod.
func within(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// Whatever a pod mounts is a volume of it, and where a program looks for a file one is mounted.
func TestTheLeaderFindsWhatItIsGiven(t *testing.T) {
	c := decode(t, emit(t, deployment(t, question, tunnel, tunnel), "kubernetes"))
	pod := c.jobs["adit-load-leader"].Spec.Template.Spec
	mounted := map[string]string{}
	for _, m := range pod.Containers[0].VolumeMounts {
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if i < 0 {
			t.Fatalf("mount %s: is no volume", m.Name)
		}
		mounted[m.MountPath] = m.Name
	}
	args, files := pod.Containers[0].Args, c.files["adit-load-files"].Data
	var workers []string
	for i, a := range args[:len(args)-1] {
		switch next := args[i+1]; a {
		case "run", "--subject":
			if mounted[filepath.Dir(next)] != "files" || files[filepath.Base(next)] == "" {
				t.Errorf("%s %s: no such file in %v", a, next, files)
			}
		case "--token-file":
			if mounted[filepath.Dir(next)] != "token" {
				t.Errorf("--token-file %s: nothing is mounted there", next)
			}
		case "--worker":
			workers = append(workers, next)
		}
	}
	want := []string{"adit-load-worker-0.adit-load-worker:7001", "adit-load-worker-1.adit-load-worker:7001", "adit-load-worker-2.adit-load-worker:7001"}
	if !slices.Equal(workers, want) {
		t.Errorf("generators %v; want %v", workers, want)
	}
	if len(c.deployments) != 1 || files["subject-2.yaml"] != tunnel {
		t.Errorf("deployments %v, files %v; want the target alone, and both tunnels", c.deployments, files)
	}
	if f, err := subject.Parse("hop.yaml", []byte(hopFile("hop"))); err != nil || attached(f) != nil {
		t.Errorf("hop: %+v, %v; want a subject that a leader can measure", f, err)
	}
}

// The leader reads the scenario as the user wrote it.
func TestScenariosAreCarriedByteForByte(t *testing.T) {
	for _, text := range []string{
		question, strings.TrimSuffix(question, "\n"), question + "\n\n", strings.ReplaceAll(question, "\n", "\r\n"), question + "# a\u0085b\u2028c  \n#\x20\n",
		question + "# --- trailing \n", strings.ReplaceAll(question, "\nload", "\n# \t\"x\": 'y' \\ é\n\n  # deeper\nload"),
	} {
		c := decode(t, emit(t, deployment(t, text), "kubernetes"))
		if got := c.files["adit-load-files"].Data["scenario.yaml"]; got != text {
			t.Errorf("carried as %q; want %q", got, text)
		}
	}
}

func TestWhatCannotGoToOtherMachinesIsRefused(t *testing.T) {
	const plain = "# why?\nscenario: x\nload: {mode: pingpong, connections: 1, size: 1KiB}\n"
	for _, tt := range []struct {
		name, format, text, subject, want string
	}{
		{"format", "nomad", plain, tunnel, `"nomad" must be one of swarm, kubernetes`},
		{"link", "swarm", plain + "link: {rtt: 1ms}\n", tunnel, "speed.yaml: link: runs beside the leader"},
		{"fresh", "swarm", plain + "fresh: true\n", tunnel, "speed.yaml: fresh: needs processes that the leader has started"},
		{"time line", "kubernetes", plain + "timeline: [{at: 1s, do: server.kill}]\n", tunnel, "speed.yaml: timeline: server.kill: needs a process that the leader has started"},
		{"subject", "swarm", plain, "name: x\nserver: {command: x}\n", "tunnel's.yaml: server.address: is missing"},
		{"client", "swarm", plain, tunnel + "client: {command: x}\n", "tunnel's.yaml: client: cannot be started"},
		{"version", "swarm", plain, tunnel + "version: x\n", "tunnel's.yaml: prepare, version: cannot be run"},
		{"visitor", "swarm", plain, strings.ReplaceAll(tunnel, "tunnel.example:10022", "127.0.0.1:10022"), `visitor: "127.0.0.1:10022" must be where generators on other machines connect`},
		{"no visitor", "swarm", plain, "name: x\nserver: {address: 'h:1'}\n", `visitor: "" must be where generators`},
		{"key", "swarm", plain, tunnel + "speed: 1\n", `unknown key "speed"`},
	} {
		if _, err := deployment(t, tt.text, tt.subject).Emit(tt.format); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
	l := deployment(t, plain)
	l.Image = "Adit Load"
	if _, err := l.Emit("swarm"); err == nil || !strings.Contains(err.Error(), `image "Adit Load": must be the name of an image`) {
		t.Errorf("image: %v; want that its name is wrong", err)
	}
}

// Comments stay comments, and words that a shell would take apart stay whole.
func TestNamesOfFilesDoNoHarm(t *testing.T) {
	l := deployment(t, question)
	l.File.Name = "a b'$(c)\nversion: 2"
	text, err := l.Emit("swarm")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(`'a b'\''$(c)`)) || bytes.Contains(text, []byte("\nversion: 2")) {
		t.Errorf("want the name quoted, and within the comment:\n%s", text)
	}
}
