package deploy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/adit-tunnel/adit/loadgen/scenario"
)

// What a stack file says, of the Compose format 3.8.
type (
	stack struct {
		Version  string                 `yaml:"version"`
		Services map[string]service     `yaml:"services"`
		Networks map[string]network     `yaml:"networks"`
		Secrets  map[string]stackSecret `yaml:"secrets"`
	}
	service struct {
		Image    string   `yaml:"image"`
		Hostname string   `yaml:"hostname,omitempty"`
		Command  []string `yaml:"command"`
		User     string   `yaml:"user"`
		Networks []string `yaml:"networks"`
		Secrets  []string `yaml:"secrets,omitempty"`
		Deploy   placed   `yaml:"deploy"`
	}
	placed struct {
		Replicas  int             `yaml:"replicas"`
		Endpoint  string          `yaml:"endpoint_mode"`
		Resources *swarmResources `yaml:"resources,omitempty"`
	}
	swarmResources struct {
		Limits swarmLimits `yaml:"limits"`
	}
	swarmLimits struct {
		CPUs   string `yaml:"cpus,omitempty"`
		Memory string `yaml:"memory,omitempty"`
	}
	network struct {
		Driver     string `yaml:"driver"`
		Attachable bool   `yaml:"attachable"`
	}
	stackSecret struct {
		File string `yaml:"file"`
	}
)

// swarmToken is where a task of a service finds the secret named token.
const swarmToken = "/run/secrets/token"

// swarm has one service for all generators, whose tasks the leader knows by
// their host names. No service has a virtual address: its load balancer would
// be measured, too. The leader is no service, but a container that the user
// starts on the network: tables, exit code and record are the user's at once.
func (l *Load) swarm() ([]byte, error) {
	n := int(l.Scenario.Generators)
	worker, target, hop := l.roles("target", swarmToken)
	services := map[string]service{"worker": l.service(worker, n), "target": l.service(target, 1)}
	if hop != nil {
		services["hop"] = l.service(*hop, 1)
	}
	return document(true, l.swarmSteps(n), stack{
		Version:  "3.8",
		Services: services,
		Networks: map[string]network{"load": {Driver: "overlay", Attachable: true}},
		Secrets:  map[string]stackSecret{"token": {File: "./token"}},
	})
}

func (l *Load) service(r role, replicas int) service {
	s := service{
		Image: l.Image, Command: r.args, User: nobody, Networks: []string{"load"},
		Deploy: placed{Replicas: replicas, Endpoint: "dnsrr", Resources: swarmBounds(r.limit)},
	}
	if r.asked() {
		s.Secrets = []string{"token"}
	}
	if r.name == "worker" {
		s.Hostname = "worker-{{.Task.Slot}}"
	}
	return s
}

// nobody is the user of all containers: none needs any right.
const nobody = "65534:65534"

func swarmBounds(l scenario.Limit) *swarmResources {
	if l == (scenario.Limit{}) {
		return nil
	}
	out := swarmLimits{}
	if l.CPUs > 0 {
		out.CPUs = strconv.FormatFloat(float64(l.CPUs), 'f', -1, 64)
	}
	if l.Memory > 0 {
		out.Memory = octets(l.Memory, "M", "K", "B")
	}
	return &swarmResources{out}
}

// swarmSteps says how to use the stack file; what is indented are commands.
func (l *Load) swarmSteps(n int) string {
	var workers, mounts []string
	for i := range n {
		workers = append(workers, fmt.Sprintf("worker-%d", i+1)) // tasks count from 1
	}
	files := []string{"/scenario.yaml"}
	mounts = append(mounts, `-v "$(realpath `+quote(l.File.Name)+`)":/scenario.yaml:ro`)
	write := ""
	for i, s := range l.subjects("hop") {
		name, at := s.Name, fmt.Sprintf("/subject-%d.yaml", i+1)
		if name == "" {
			name = "hop.yaml"
			write = "    echo " + quote(strings.TrimSpace(string(s.Data))) + " >" + name + "\n"
		}
		files = append(files, at)
		mounts = append(mounts, `-v "$(realpath `+quote(name)+`)":`+at+":ro")
	}
	mounts = append(mounts, `-v "$PWD/token":/token:ro`, `-v "$PWD/results":/results`)
	return fmt.Sprintf(`%s: %s
For Docker Swarm: %d generators and a target as services, and a leader on their network.

Save this as stack.yaml. On a manager of the swarm (docker swarm init makes one), after make build:

    docker build -t %s -f loadgen/topology/adit-load.Dockerfile bin

Other machines need the image, too: push it to a registry that they reach, under the name that --image gave here.

    (umask 077; head -c 32 /dev/urandom | base64 >token)
    docker stack deploy -c stack.yaml adit-load
    until [ "$(docker service logs adit-load_worker 2>&1 | grep -c ': ready at ')" -ge %[3]d ]; do sleep 1; done
    mkdir -p results
%[5]s    docker run --rm --network adit-load_load --user "$(id -u):$(id -g)" --tmpfs /tmp \
      %[6]s \
      %[4]s %[7]s

The record is in results/. What is left to do:

    docker stack rm adit-load

%[8]s`, l.Scenario.Name, l.Scenario.Question, n, l.Image, write, strings.Join(mounts, " \\\n      "),
		strings.Join(l.leader(files, "/token", "target", workers), " "), l.carries("target", "attach it to the network adit-load_load"))
}
