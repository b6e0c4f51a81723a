package config

import (
	"io"
	"log/slog"
)

// Log is how a command logs.
type Log struct {
	Level  string `yaml:"level" live:"yes" default:"info" oneof:"debug info warn error" help:"debug, info, warn or error"`
	Format string `yaml:"format" default:"text" oneof:"text json" help:"text or json"`

	// Now is the level of loggers that are made from now on; nil: Level, for good.
	Now *slog.LevelVar `yaml:"-"`
}

// Logger returns the logger that writes to out.
func (l Log) Logger(out io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: l.Threshold()}
	if l.Now != nil {
		opts.Level = l.Now
	}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(out, opts))
	}
	return slog.New(slog.NewTextHandler(out, opts))
}

// Threshold is Level, parsed.
func (l Log) Threshold() (level slog.Level) {
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		panic("config: internal error: unchecked log.level: " + err.Error())
	}
	return level
}
