// Package store keeps the server's mappings in an SQLite database, so that a mapping that was acknowledged
// survives the end of the process, however sudden (API-003).
//
//	store.go   Store: Open, Create, Remove, List, Close
//	errors.go  what can go wrong with the file, and the remedy
package store
