package peers

import (
	"context"
	"path/filepath"
)

// Python installs a virtual environment with librdkafka's Python client and returns its
// interpreter.
func Python(ctx context.Context) (interpreter string, err error) {
	dir, err := install("python-confluent-kafka-"+confluentVersion, func(dir string) error {
		if err := Programs(ctx, "python3"); err != nil {
			return err
		}
		// The environment's scripts hold its path, so only its interpreter is used:
		// that finds its packages from where it lies.
		if _, err := run(ctx, dir, "python3", "-m", "venv", "env"); err != nil {
			// Debian's python3 comes without the module's other half.
			if err := aptInstall(ctx, "python3-venv"); err != nil {
				return err
			}
			if _, err := run(ctx, dir, "python3", "-m", "venv", "--clear", "env"); err != nil {
				return err
			}
		}
		_, err := run(ctx, dir, filepath.Join(dir, "env/bin/python"), "-m", "pip", "install", "-q",
			"confluent-kafka=="+confluentVersion)
		return err
	})
	return filepath.Join(dir, "env/bin/python"), err
}

// Node installs kafkajs and returns the folder whose node_modules has it.
func Node(ctx context.Context) (dir string, err error) {
	if err := Programs(ctx, "node"); err != nil {
		return "", err
	}
	return install("node-kafkajs-"+kafkajsVersion, func(dir string) error {
		if err := Programs(ctx, "npm"); err != nil {
			return err
		}
		_, err := run(ctx, dir, "npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", dir,
			"kafkajs@"+kafkajsVersion)
		return err
	})
}
