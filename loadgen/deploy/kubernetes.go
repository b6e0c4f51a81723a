package deploy

import (
	"fmt"
	"math"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// What objects say, by the names of the published API types.
type (
	object struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Metadata   metadata          `yaml:"metadata"`
		Data       map[string]string `yaml:"data,omitempty"`
		Spec       any               `yaml:"spec,omitempty"`
	}
	metadata struct {
		Name   string            `yaml:"name,omitempty"`
		Labels map[string]string `yaml:"labels"`
	}
	serviceSpec struct {
		ClusterIP string            `yaml:"clusterIP"`
		Early     bool              `yaml:"publishNotReadyAddresses"`
		Selector  map[string]string `yaml:"selector"`
		Ports     []servicePort     `yaml:"ports"`
	}
	servicePort struct {
		Name string `yaml:"name"`
		Port int    `yaml:"port"`
	}
	jobSpec struct {
		CompletionMode string      `yaml:"completionMode,omitempty"`
		Completions    int         `yaml:"completions,omitempty"`
		Parallelism    int         `yaml:"parallelism,omitempty"`
		Suspend        bool        `yaml:"suspend,omitempty"`
		BackoffLimit   *int        `yaml:"backoffLimit,omitempty"`
		Template       podTemplate `yaml:"template"`
	}
	deploymentSpec struct {
		Replicas int           `yaml:"replicas"`
		Strategy strategy      `yaml:"strategy"`
		Selector labelSelector `yaml:"selector"`
		Template podTemplate   `yaml:"template"`
	}
	strategy struct {
		Type string `yaml:"type"`
	}
	labelSelector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	podTemplate struct {
		Metadata metadata `yaml:"metadata"`
		Spec     podSpec  `yaml:"spec"`
	}
	podSpec struct {
		Subdomain       string      `yaml:"subdomain,omitempty"`
		RestartPolicy   string      `yaml:"restartPolicy,omitempty"`
		ServiceAccount  bool        `yaml:"automountServiceAccountToken"`
		SecurityContext podSecurity `yaml:"securityContext"`
		Spread          []spread    `yaml:"topologySpreadConstraints,omitempty"`
		Containers      []container `yaml:"containers"`
		Volumes         []volume    `yaml:"volumes,omitempty"`
	}
	podSecurity struct {
		RunAsNonRoot   bool           `yaml:"runAsNonRoot"`
		RunAsUser      int            `yaml:"runAsUser"`
		RunAsGroup     int            `yaml:"runAsGroup"`
		SeccompProfile seccompProfile `yaml:"seccompProfile"`
	}
	seccompProfile struct {
		Type string `yaml:"type"`
	}
	spread struct {
		MaxSkew           int           `yaml:"maxSkew"`
		TopologyKey       string        `yaml:"topologyKey"`
		WhenUnsatisfiable string        `yaml:"whenUnsatisfiable"`
		LabelSelector     labelSelector `yaml:"labelSelector"`
	}
	container struct {
		Name            string            `yaml:"name"`
		Image           string            `yaml:"image"`
		PullPolicy      string            `yaml:"imagePullPolicy"`
		Command         []string          `yaml:"command,omitempty"`
		Args            []string          `yaml:"args,omitempty"`
		Resources       *resources        `yaml:"resources,omitempty"`
		StartupProbe    *probe            `yaml:"startupProbe,omitempty"`
		SecurityContext containerSecurity `yaml:"securityContext"`
		VolumeMounts    []mount           `yaml:"volumeMounts,omitempty"`
	}
	resources struct {
		Limits map[string]string `yaml:"limits"`
	}
	probe struct {
		TCPSocket     tcpSocket `yaml:"tcpSocket"`
		PeriodSeconds int       `yaml:"periodSeconds"`
	}
	tcpSocket struct {
		Port int `yaml:"port"`
	}
	containerSecurity struct {
		Escalation   bool         `yaml:"allowPrivilegeEscalation"`
		Capabilities capabilities `yaml:"capabilities"`
	}
	capabilities struct {
		Drop []string `yaml:"drop"`
	}
	mount struct {
		Name      string `yaml:"name"`
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly,omitempty"`
	}
	volume struct {
		Name      string           `yaml:"name"`
		Secret    *secretVolume    `yaml:"secret,omitempty"`
		ConfigMap *configMapVolume `yaml:"configMap,omitempty"`
		EmptyDir  *emptyDir        `yaml:"emptyDir,omitempty"`
	}
	secretVolume struct {
		SecretName string `yaml:"secretName"`
	}
	configMapVolume struct {
		Name string `yaml:"name"`
	}
	emptyDir struct{}
)

// Names in Kubernetes begin alike: they share a namespace with what the user has in it.
const (
	prefix = "adit-load-"

	podToken = "/token/token" // where a container finds the secret's key named token
	podFiles = "/files"       // and the leader what it measures
)

// keeper is an image with tar, which keeps the record until it is fetched: that of adit-load has no other program.
const keeper = "busybox:1"

// kubernetes has an Indexed Job for all generators, whose pods the leader knows
// by their stable names. No service has a cluster address: its proxy would be
// measured, too. The leader is suspended until the others are ready, and runs once.
func (l *Load) kubernetes() ([]byte, error) {
	n := int(l.Scenario.Generators)
	worker, target, hop := l.roles(prefix+"target", podToken)
	generators := l.pod(worker)
	generators.Spec.Subdomain = prefix + worker.name
	generators.Spec.RestartPolicy = "OnFailure"
	generators.Spec.Spread = []spread{{1, "kubernetes.io/hostname", "ScheduleAnyway", labelSelector{labels(worker.name)}}}
	docs := []any{
		headless(worker),
		job(worker.name, jobSpec{CompletionMode: "Indexed", Completions: n, Parallelism: n, Template: generators}),
		headless(target), l.deployment(target),
	}
	if hop != nil {
		docs = append(docs, headless(*hop), l.deployment(*hop))
	}
	files, literal := map[string]string{"scenario.yaml": string(l.File.Data)}, legible(string(l.File.Data))
	paths := []string{podFiles + "/scenario.yaml"}
	for i, s := range l.subjects(prefix + "hop") {
		name := fmt.Sprintf("subject-%d.yaml", i+1)
		files[name], paths = string(s.Data), append(paths, podFiles+"/"+name)
		literal = literal && legible(string(s.Data))
	}
	docs = append(docs,
		object{APIVersion: "v1", Kind: "ConfigMap", Metadata: named("files"), Data: files},
		job("leader", jobSpec{Suspend: true, BackoffLimit: new(0), Template: l.leaderPod(paths, n)}))
	return document(literal, l.kubernetesSteps(n, hop != nil), docs...)
}

func labels(component string) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "adit-load", "app.kubernetes.io/component": component}
}

func named(component string) metadata { return metadata{prefix + component, labels(component)} }

// headless names a role's pods. It does so before they are ready: when they are, the leader must find them at once.
func headless(r role) object {
	spec := serviceSpec{ClusterIP: "None", Early: true, Selector: labels(r.name)}
	for _, p := range r.ports {
		spec.Ports = append(spec.Ports, servicePort{map[string]string{dataPort: "data", controlPort: "control"}[p], number(p)})
	}
	return object{APIVersion: "v1", Kind: "Service", Metadata: named(r.name), Spec: spec}
}

func job(component string, s jobSpec) object {
	return object{APIVersion: "batch/v1", Kind: "Job", Metadata: named(component), Spec: s}
}

// deployment has one pod, never two: there is one target.
func (l *Load) deployment(r role) object {
	return object{
		APIVersion: "apps/v1", Kind: "Deployment", Metadata: named(r.name),
		Spec: deploymentSpec{1, strategy{"Recreate"}, labelSelector{labels(r.name)}, l.pod(r)},
	}
}

// pod runs a role. Its control port is probed until it answers once: a probe
// that goes on would be part of the load, and one of a data port a stray connection.
func (l *Load) pod(r role) podTemplate {
	c := l.container(r.name, r.args)
	c.Resources = podBounds(r.limit)
	p := pod(r.name)
	if r.asked() {
		c.StartupProbe = &probe{tcpSocket{number(controlPort)}, 1}
		c.VolumeMounts = []mount{{"token", "/token", true}}
		p.Spec.Volumes = []volume{tokenVolume()}
	}
	p.Spec.Containers = []container{c}
	return p
}

// pod is one without containers and without rights.
func pod(component string) podTemplate {
	return podTemplate{metadata{Labels: labels(component)}, podSpec{
		SecurityContext: podSecurity{true, 65534, 65534, seccompProfile{"RuntimeDefault"}},
	}}
}

func (l *Load) container(name string, args []string) container {
	return container{Name: name, Image: l.Image, PullPolicy: "IfNotPresent", Args: args, SecurityContext: containerSecurity{false, capabilities{[]string{"ALL"}}}}
}

func tokenVolume() volume {
	return volume{Name: "token", Secret: &secretVolume{prefix + "token"}}
}

// leaderPod measures; a second container keeps the record when the first has ended, however it ended.
func (l *Load) leaderPod(files []string, n int) podTemplate {
	var workers []string
	for i := range n {
		workers = append(workers, fmt.Sprintf("%sworker-%d.%[1]sworker", prefix, i)) // indexes count from 0
	}
	c := l.container("leader", l.leader(files, podToken, prefix+"target", workers))
	c.VolumeMounts = []mount{{"files", podFiles, true}, {"token", "/token", true}, {"results", "/results", false}, {"tmp", "/tmp", false}}
	keep := l.container("results", nil)
	keep.Image, keep.Command = keeper, []string{"tail", "-f", "/dev/null"}
	keep.VolumeMounts = []mount{{"results", "/results", true}}
	p := pod("leader")
	p.Spec.RestartPolicy = "Never"
	p.Spec.Containers = []container{c, keep}
	p.Spec.Volumes = []volume{
		{Name: "files", ConfigMap: &configMapVolume{prefix + "files"}},
		tokenVolume(),
		{Name: "results", EmptyDir: &emptyDir{}},
		{Name: "tmp", EmptyDir: &emptyDir{}},
	}
	return p
}

// podBounds are limits, which without requests are these, too.
func podBounds(l scenario.Limit) *resources {
	out := map[string]string{}
	if l.CPUs > 0 {
		out["cpu"] = fmt.Sprintf("%dm", int(math.Ceil(float64(l.CPUs)*1000))) // nothing finer is taken
	}
	if l.Memory > 0 {
		out["memory"] = octets(l.Memory, "Mi", "Ki", "")
	}
	if len(out) == 0 {
		return nil
	}
	return &resources{out}
}

// kubernetesSteps says how to use the objects; what is indented are commands.
func (l *Load) kubernetesSteps(n int, hop bool) string {
	deployments := "deployment/" + prefix + "target"
	if hop {
		deployments += " deployment/" + prefix + "hop"
	}
	return fmt.Sprintf(`%s: %s
For Kubernetes: %d generators as an Indexed Job, a target, and a leader as a Job that waits for its start.
not run: decoded strictly against the published API types only.

Save this as kubernetes.yaml. The cluster needs the image %s, made by make build and

    docker build -t %[4]s -f loadgen/topology/adit-load.Dockerfile bin

and pushed to a registry that the cluster reaches, under the name that --image gave here; and %[5]s, for its tar. Then:

    kubectl create namespace adit-load
    kubectl -n adit-load create secret generic adit-load-token --from-literal=token="$(head -c 32 /dev/urandom | base64)"
    kubectl -n adit-load apply -f kubernetes.yaml
    kubectl -n adit-load wait --timeout=5m --for=jsonpath='{.status.ready}'=%[3]d job/adit-load-worker
    kubectl -n adit-load wait --timeout=5m --for=condition=Available %[6]s
    kubectl -n adit-load patch job/adit-load-leader -p '{"spec":{"suspend":false}}'
    kubectl -n adit-load logs -f --pod-running-timeout=5m job/adit-load-leader -c leader
    mkdir -p results
    kubectl -n adit-load exec job/adit-load-leader -c results -- tar -C /results -c . | tar -C results -x
    kubectl -n adit-load get pods -l app.kubernetes.io/component=leader -o jsonpath='{.items[0].status.containerStatuses[?(@.name=="leader")].state.terminated.exitCode}'

The last prints the exit code, as of adit-load run. The record is in results/. What is left to do:

    kubectl delete namespace adit-load

%[7]s`, l.Scenario.Name, l.Scenario.Question, n, l.Image, keeper, strings.TrimSpace(deployments), l.carries(prefix+"target", "run it in the namespace adit-load"))
}
