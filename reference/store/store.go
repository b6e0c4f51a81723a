package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/adit-tunnel/adit/reference/mapping"
)

// schema is the database's layout, step by step; user_version counts the steps that were taken.
var schema = []string{
	`CREATE TABLE mappings (
		id          INTEGER PRIMARY KEY AUTOINCREMENT,
		port        INTEGER NOT NULL UNIQUE,
		target_host TEXT    NOT NULL,
		target_port INTEGER NOT NULL,
		use_tunnel  INTEGER NOT NULL,
		client      TEXT    NOT NULL,
		created_at  INTEGER NOT NULL
	) STRICT`,
	`ALTER TABLE mappings ADD COLUMN options TEXT NOT NULL DEFAULT '{}'`, // mapping.Options as JSON
	`ALTER TABLE mappings ADD COLUMN service TEXT NOT NULL DEFAULT '';
	ALTER TABLE mappings ADD COLUMN key TEXT NOT NULL DEFAULT '';
	ALTER TABLE mappings ADD COLUMN name TEXT NOT NULL DEFAULT ''`,
	// A mapping may have a host in the place of a port. IDs go on from the highest that was ever given.
	`CREATE TABLE placed (
		id          INTEGER PRIMARY KEY AUTOINCREMENT,
		place       TEXT    NOT NULL UNIQUE,
		port        INTEGER NOT NULL,
		target_host TEXT    NOT NULL,
		target_port INTEGER NOT NULL,
		use_tunnel  INTEGER NOT NULL,
		client      TEXT    NOT NULL,
		created_at  INTEGER NOT NULL,
		options     TEXT    NOT NULL,
		service     TEXT    NOT NULL,
		key         TEXT    NOT NULL,
		name        TEXT    NOT NULL
	) STRICT;
	INSERT INTO placed SELECT id, CAST(port AS TEXT), port, target_host, target_port, use_tunnel, client, created_at, options, service, key, name FROM mappings;
	DELETE FROM sqlite_sequence WHERE name = 'placed';
	INSERT INTO sqlite_sequence SELECT 'placed', seq FROM sqlite_sequence WHERE name = 'mappings';
	DROP TABLE mappings;
	ALTER TABLE placed RENAME TO mappings`,
}

// A Store is a [mapping.Store] in an open database. It may be used by many goroutines.
type Store struct {
	db   *sql.DB
	path string
}

// Open opens the database at path, and makes it and its folder if they are
// not there. It holds the file for this process alone until Close.
func Open(path string) (*Store, error) {
	if path == "" { // SQLite would take it for a database in memory
		return nil, errors.New("database.path is empty; name a file")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("database.path %s: its folder cannot be made; make it, or set another database.path: %w", path, err)
	}
	// An exclusive lock keeps a second server from serving the same mappings.
	// A rollback journal with synchronous=EXTRA makes a commit durable, power
	// loss included, and leaves nothing beside the file.
	params := url.Values{"_pragma": {
		"busy_timeout(1000)", "locking_mode(EXCLUSIVE)", "journal_mode(DELETE)", "synchronous(EXTRA)",
	}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: params.Encode()}).String())
	if err != nil {
		return nil, explain(path, err)
	}
	db.SetMaxOpenConns(1) // SQLite has one writer; the exclusive lock belongs to one connection
	s := &Store{db: db, path: path}
	if err := s.migrate(); err != nil {
		_ = db.Close()
		return nil, explain(path, err)
	}
	return s, nil
}

// migrate takes the steps of schema that the file does not have yet.
func (s *Store) migrate() error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	var version int
	if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(schema) {
		return fmt.Errorf("the database was written by a newer server (layout %d, this one knows %d); use that server, or set another database.path", version, len(schema))
	}
	var tables int
	if err := tx.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if version == 0 && tables > 0 {
		return errors.New("the database belongs to another program; set another database.path")
	}
	for _, step := range schema[version:] {
		if _, err := tx.Exec(step); err != nil {
			return err
		}
	}
	// Written even when unchanged: this takes the exclusive lock now, not at the first create.
	if _, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", len(schema))); err != nil {
		return err
	}
	return tx.Commit()
}

// Create stores m, its CreatedAt to the second, and returns it with its ID. When it returns, the mapping is
// on disk. The error is [mapping.Exists] when the place has a mapping.
func (s *Store) Create(ctx context.Context, m mapping.Mapping) (mapping.Mapping, error) {
	options, err := json.Marshal(m.Options)
	if err != nil {
		panic("store: internal error: options that are no JSON: " + err.Error())
	}
	r, err := s.db.ExecContext(ctx,
		"INSERT INTO mappings (place, port, target_host, target_port, use_tunnel, client, created_at, options, service, key, name) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		m.Place(), m.Port, m.TargetHost, m.TargetPort, m.UseTunnel, m.Client, m.CreatedAt.Unix(), string(options), m.Service, m.Key, m.Name)
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE {
		return mapping.Mapping{}, mapping.Exists(m.Place())
	}
	if err != nil {
		return mapping.Mapping{}, explain(s.path, err)
	}
	if m.ID, err = r.LastInsertId(); err != nil {
		return mapping.Mapping{}, explain(s.path, err)
	}
	return m, nil
}

// Remove deletes the mapping of a place, for good when it returns. The error is [mapping.Missing] when there is
// none.
func (s *Store) Remove(ctx context.Context, place string) error {
	r, err := s.db.ExecContext(ctx, "DELETE FROM mappings WHERE place = ?", place)
	if err != nil {
		return explain(s.path, err)
	}
	n, err := r.RowsAffected()
	switch {
	case err != nil:
		return explain(s.path, err)
	case n == 0:
		return mapping.Missing(place)
	}
	return nil
}

// List returns all mappings in the order of their making.
func (s *Store) List(ctx context.Context) ([]mapping.Mapping, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id, port, target_host, target_port, use_tunnel, client, created_at, options, service, key, name FROM mappings ORDER BY id")
	if err != nil {
		return nil, explain(s.path, err)
	}
	defer func() { _ = rows.Close() }()
	var all []mapping.Mapping
	for rows.Next() {
		var m mapping.Mapping
		var created int64
		var options []byte
		if err := rows.Scan(&m.ID, &m.Port, &m.TargetHost, &m.TargetPort, &m.UseTunnel, &m.Client, &created, &options, &m.Service, &m.Key, &m.Name); err != nil {
			return nil, explain(s.path, err)
		}
		if err := mapping.Decode(options, &m.Options); err != nil {
			return nil, explain(s.path, fmt.Errorf("the options of the mapping of %s: %w", m.Place(), err))
		}
		m.CreatedAt = time.Unix(created, 0)
		all = append(all, m)
	}
	if err := rows.Err(); err != nil {
		return nil, explain(s.path, err)
	}
	return all, nil
}

// Close releases the database.
func (s *Store) Close() error { return s.db.Close() }
