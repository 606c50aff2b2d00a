package peers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// debianPackages says which of Debian's packages brings a program.
var debianPackages = map[string]string{
	"java":    "default-jre-headless",
	"mvn":     "maven",
	"node":    "nodejs",
	"npm":     "npm",
	"python3": "python3",
	"gcc":     "gcc",
	"javac":   "default-jdk-headless",
	"kcat":    "kcat",
	"g++":     "g++",
	"make":    "make",
	"cmake":   "cmake",
	"cargo":   "cargo",
	"tar":     "tar",

	"prometheus": "prometheus",
	"promtool":   "prometheus",
	"psql":       "postgresql-client",
}

// Programs makes sure that system programs are on the path: it installs what is missing
// with apt when it may (root on a Debian), or says what to install.
func Programs(ctx context.Context, names ...string) error {
	var missing []string
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, debianPackages[name])
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return aptInstall(ctx, missing...)
}

// Libraries makes sure that Debian's packages of these names are there, which bring no
// program to look for. On a system without dpkg the compiler finds out.
func Libraries(ctx context.Context, packages ...string) error {
	if _, err := exec.LookPath("dpkg-query"); err != nil {
		return nil
	}
	if _, err := run(ctx, "", "dpkg-query", append([]string{"-L"}, packages...)...); err == nil {
		return nil
	}
	return aptInstall(ctx, packages...)
}

func aptInstall(ctx context.Context, packages ...string) error {
	list := strings.Join(packages, " ")
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("%w: install these packages (Debian's names): %s", ErrMissing, list)
	}
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	// One at a time: apt-get gives up where another one runs. Not the lock of install, which
	// may be held by the caller.
	unlock, err := lock(filepath.Join(cache, "apt.lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := run(ctx, "", "apt-get", "update", "-q"); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMissing, list, err)
	}
	args := append([]string{"install", "-qy", "--no-install-recommends"}, packages...)
	if _, err := run(ctx, "", "apt-get", args...); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMissing, list, err)
	}
	return nil
}
