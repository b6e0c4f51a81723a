// Package e2e is the end-to-end test: it drives the built binaries adit-server and adit-client as a user
// does, with real programs on both sides of the tunnel, and with bad input.
//
// Use: make e2e, which sets ADIT_E2E to the folder of the binaries. ADIT_E2E=relay runs the scenarios that
// carry traffic through a plain copying relay instead: a control that tells a fault of a scenario from
// one of the tunnel. Without ADIT_E2E every test but that of the checker reports "not run", as does one whose
// program is missing.
//
// Every test has its own server, client, ports and folder. Children run in the foreground, get a signal by
// their process ID, and show their last log lines when the test fails. Nothing waits for a fixed time but
// where time is the subject; waiting is on an event, with a deadline.
//
// Files (all tests):
//
//	main_test.go       which binaries; deadlines
//	process_test.go    a child process: start, log, signal, exit code
//	log_test.go        the lines that a child wrote, to be waited for
//	sys_*_test.go      what differs between systems: memory of a child, its end with ours
//	tools_test.go      programs that may be missing, ports, folders
//	tunnel_test.go     a server and a client with mappings, ready for visitors
//	pattern*_test.go   bytes whose position can be checked; echo and other peers
//
//	ssh_test.go http_test.go postgres_test.go iperf_test.go      real programs
//	visitors_test.go long_test.go saturate_test.go stall_test.go many, slow, fast and stuck visitors
//	mapping_test.go                                              forms of requests, policy, direct mode
//	lifecycle_test.go crash_test.go                              kill, restart, graceful stop
//	hostile_test.go drip_test.go                                 bad bytes against either role
//	config_test.go api_test.go                                   bad configuration and bad requests
//	tls_test.go                                                  encrypted tunnels, and who is refused
//	readme_linux_test.go                                         README's first commands, in network namespaces with NAT
//	churn_test.go churn_people_test.go line_test.go flat_test.go a day of tunnels that come and go, and that nothing grows
//	kill_test.go                                                 either end killed at random moments
//	prometheus_test.go                                           a Prometheus that reads the server, with our alerts and dashboard
//	activation_test.go                                           a server that is started anew while visitors come
//	publish_test.go                                              ports that clients ask for: who gets and keeps them
package e2e
