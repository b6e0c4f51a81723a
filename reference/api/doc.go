// Package api is the HTTP control API of PROTOCOL.md, Appendix B, and the status page that shows what it
// tells. It decides nothing: it translates the types and errors of packages mapping and access.
//
//	api.go       New: paths, methods and what role each takes; the envelope
//	admit.go     who asks, and whether a browser was led here
//	document.go  the endpoints of Appendix B, and the page
//	shapes.go    what JSON looks like, from and to package mapping
//	refusal.go   errors as HTTP
//	body.go      strict JSON
//	page.html    the status page, self-contained, fed by /api/stats
package api
