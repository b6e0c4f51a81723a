package config

import (
	"io"
	"log/slog"
)

// Log is how a command logs.
type Log struct {
	Level  string `yaml:"level" default:"info" oneof:"debug info warn error" help:"debug, info, warn or error"`
	Format string `yaml:"format" default:"text" oneof:"text json" help:"text or json"`
}

// Logger returns the logger that writes to out.
func (l Log) Logger(out io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		panic("config: internal error: unchecked log.level: " + err.Error())
	}
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, opts))
	}
	return slog.New(slog.NewTextHandler(out, opts))
}
