package store

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// explain says what is wrong with the database at path and what to do about it.
func explain(path string, err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return fmt.Errorf("database.path %s: %w", path, err)
	}
	var remedy string
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		remedy = "another process holds the database; stop it, or give this server a database.path of its own"
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
		remedy = "the file is not a database of this server; move it away, or set another database.path"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		remedy = "the file or its folder cannot be written; change its permissions, or set another database.path"
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR:
		remedy = "the disk is full or broken"
	default:
		return fmt.Errorf("database.path %s: %w", path, err)
	}
	return fmt.Errorf("database.path %s: %s: %w", path, remedy, err)
}
