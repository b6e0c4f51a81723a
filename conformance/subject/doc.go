// Package subject starts and stops whatever is certified or measured: the server and the client of a tunnel, as processes or in
// containers, or a server that somebody else runs. One YAML file describes a subject:
//
//	name: some-tunnel
//	server:  {command: "tunneld --port {tunnel.port} --public {visitor}", ready: {tcp: "{tunnel}"}}
//	client:  {command: "tunnelc --server {tunnel} --to {target}"}   # absent for a one-hop relay
//	visitor: auto                  # host:port for visitors; auto: a free loopback address
//	target:  auto                  # host:port of the service behind the tunnel
//	api:     auto                  # host:port of a control API; absent: it has none
//	prepare: "curl ..."            # after both are up, once: make the mapping
//	ready:   {tcp: "{visitor}"}    # after prepare
//	env:     {LOG: debug}
//	version: "tunneld --version"
//	needs:   [tunneld, tunnelc]    # programs, looked up in PATH; without them there is nothing to start
//	capabilities: [half-close]
//	key:     {server: "--keys {keys}", client: "--key-file {key.file}"} # arguments with which they ask for a key
//	fresh:   true                  # each case on an instance of its own (default: false)
//
// A server or client has one of command, address (somebody else runs it) and image: the name of one that the Docker engine has, or
// {build: FOLDER, dockerfile: FILE}. An image's command line is args. It runs in the network of the host, with addresses as for a
// command, or in a Place; {dir} is a volume of its container. ready has one or more of tcp (an address that accepts), http (a URL that
// answers 2xx) and log (a regular expression that a line of output matches), and within (default 10s).
//
// A case that needs an option, key, tls, tls_pin, tls_client_cert or tls_key, has its arguments appended to the command, or to args.
// {keys} is the path of a file of keys, which the server reads again by itself when it changes, {key} the client's key, {key.file} the
// path of a file that has it; {cert}, {cert.key}, {ca}, {client.ca}, {client.cert} and {client.key} are paths of PEM files, {pin} the
// SHA-256 of the server's SubjectPublicKeyInfo in hexadecimal digits. schema.json says which has which.
//
// contract.go says what a program is told in its environment, and how it declines.
//
// Placeholders: {tunnel} (also {addr}) {visitor} {target} {api}, each with .host and .port; {dir}, a fresh folder for each instance;
// {here}, the folder of the subject file (not in args).
//
// Commands are split into words as a shell does ('…' literal, "…" with \" and \\, \ for one character) and run without a shell: write
// sh -c '…' where one is needed. Placeholders are filled in after splitting, so their values need no quotes. Relative paths start from
// the caller's working directory.
//
//	decode.go    strict YAML: unknown keys and bad values refused with file, line, name
//	option.go    Option: how a subject is started for what it does not do by itself
//	file.go      File: what a subject file says, checked; schema.go: its JSON Schema, for editors
//	words.go     command lines, placeholders; with addrs.go: addresses, free ports
//	instance.go  Instance: one started subject
//	process.go   Process: one program, its end and its restart
//	child.go     a command as a child process
//	owner.go     who holds the addresses of a subject, and who has them before it starts
//	image.go     images: when one is built, and until when it stays
//	container.go a container as a process; with network.go all that knows the Docker engine
//	log.go       the last lines that a process wrote
//	ready.go     waiting until a subject can be used
//	sys_*.go     sessions and process groups
package subject
