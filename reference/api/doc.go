// Package api is the HTTP control API: PROTOCOL.md, Appendix B, the API of version 1 that openapi.yaml describes, metrics for
// Prometheus, and the status page. It decides nothing: it translates the types and errors of packages mapping, keys and access.
//
//	api.go       New: paths, methods and what role each takes; the envelope
//	admit.go     who asks, and whether a browser was led here
//	document.go  the endpoints of Appendix B, and the page
//	v1.go        those of openapi.yaml
//	events.go    Events: what happens, as a stream
//	metrics.go   /metrics
//	process.go   what the server itself takes up
//	profiling.go profiles and execution traces, on a listener of their own
//	shapes.go    what JSON looks like, from and to package mapping
//	refusal.go   errors as HTTP
//	body.go      strict JSON
//	page.html    the status page, self-contained, fed by /api/stats
package api
