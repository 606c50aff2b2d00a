package peers

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// configureStreamHouse builds our broker and writes its settings file.
func (b *Broker) configureStreamHouse(ctx context.Context) error {
	binary := b.options.Binary
	if binary == "" {
		var err error
		if binary, err = Build(ctx, b.options.Race); err != nil {
			return err
		}
	}
	addresses, protocols := b.listeners("")
	args := []string{"server", "--data", b.Data(), "--listeners", addresses, "--listener.security.protocol.map", protocols,
		"--http", fmt.Sprintf("%s:%d", b.host, b.http)}
	if b.options.Journal != "" {
		args = append(args, "--journal", b.options.Journal)
	}
	if b.options.Bucket != "" {
		args = append(args, "--bucket", b.options.Bucket)
	}
	if len(b.options.Settings) > 0 {
		config := filepath.Join(b.options.Dir, "streamhouse.yaml")
		if err := os.WriteFile(config, []byte(yaml(b.options.Settings)), 0o644); err != nil {
			return err
		}
		args = append(args, "--config", config)
	}
	b.launch = func(context.Context) (Command, error) {
		return Command{Path: binary, Args: args, Env: b.options.Env}, nil
	}
	return nil
}

// Metric is the value of one of our broker's metrics without labels.
func (b *Broker) Metric(ctx context.Context, name string) (value float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.HTTP()+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, _ := fmt.Sscanf(line, name+" %g", &value); n == 1 {
			return value, nil
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

func yaml(settings map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s: %q\n", name, settings[name])
	}
	return text.String()
}

var builds struct {
	sync.Mutex
	plain, race string
}

// Build compiles our broker from the tree that the test runs in, once per process and
// kind, and returns the binary.
func Build(ctx context.Context, race bool) (string, error) {
	builds.Lock()
	defer builds.Unlock()
	done, name, args := &builds.plain, "streamhouse", []string{"build", "-trimpath"}
	cgo := "CGO_ENABLED=0"
	if race {
		done, name, args, cgo = &builds.race, "streamhouse-race", append(args, "-race"), "CGO_ENABLED=1"
		if err := Programs(ctx, "gcc"); err != nil {
			return "", err
		}
	}
	if *done != "" {
		return *done, nil
	}
	root, err := Root(ctx)
	if err != nil {
		return "", err
	}
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	// One name per process: another test process may run its own build at this time.
	out := filepath.Join(cache, "bin", fmt.Sprintf("%s-%d", name, os.Getpid()))
	args = append(args, "-o", out, "./cmd/streamhouse")
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), cgo)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	*done = out
	return out, nil
}

// Cleanup removes the binaries that this process built.
func Cleanup() error {
	builds.Lock()
	defer builds.Unlock()
	for _, path := range []string{builds.plain, builds.race} {
		if path == "" {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	builds.plain, builds.race = "", ""
	return nil
}

// Root is the folder of the module that the test belongs to.
func Root(ctx context.Context) (string, error) {
	out, err := run(ctx, "", "go", "env", "GOMOD")
	return filepath.Dir(strings.TrimSpace(out)), err
}
