// Package mapping is what this server is about: public ports and what they lead to. It knows no HTTP, no SQL,
// no flags and no sockets; those who do stand around it. The store keeps mappings, the server listens for
// them, the API and the configuration ask for them.
//
//	request -> Rules fill in and check -> Manager binds, stores, serves -> Status
//
// Use: [NewManager], [Manager.Restore] once, then Create, Add, Remove and List from any goroutine, and
// [Manager.Close] at the end. Each mapping has one goroutine, which Remove and Close end and wait for.
//
// Files:
//
//	mapping.go  Mapping, Request, Status, Traffic; the Store and the Listener that a Manager needs
//	rules.go    Rules: from a request to a mapping with everything filled in
//	options.go  Options: what may be said of a mapping beside where it leads
//	decode.go   a request, or another object, from JSON, strictly
//	manager.go  Manager: mappings made, restored and removed, each with all its parts or not at all
//	address.go  hosts, addresses and CIDRs as people write them
//	error.go    Error: what is wrong with which field, and the remedy
package mapping
