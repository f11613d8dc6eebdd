# Every target works on a machine with nothing but Python 3.11 or later and make.
# `make PYTHON=python3.12 ...` takes another interpreter.

.POSIX:
.SUFFIXES:
.PHONY: help demo soak test check check-deployment check-policies check-oldest-sdk format docs site mutants bench lock package clean venv venv-browser \
	venv-deployment venv-dynalite pictures

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
STAMP = $(VENV)/.stamp
DEPLOYMENT_STAMP = $(VENV)/.stamp-deployment
BROWSER_STAMP = $(VENV)/.stamp-browser
DYNALITE = tests/dynalite
# Apart, because it asks for versions of its own of what Hammer uses.
CHECKOV_VENV = .venv-checkov
# Apart, because `make bench` alone measures it, and it asks for versions of its own.
CUSTODIAN_VENV = .venv-custodian
# What pyproject.toml promises to work with, in a folder of its own.
OLDEST_SDK = build/oldest-sdk
# Apart, because only the documentation site needs it.
SITE_VENV = .venv-site
# Apart, because only the check of policies needs it.
POLICIES_VENV = .venv-policies
# Apart, because only its user needs it.
MUTANTS_VENV = .venv-mutants
MUTANTS_OPTIONS =

PACKAGES = hammer identification reporting remediation library deployment
DEMO_OPTIONS =
TEST_OPTIONS =
SEEDS = 2000
BENCH_OPTIONS =
PACKAGE_OPTIONS =

# `make lock` keeps the pins that still hold; `make lock LOCK_OPTIONS=--upgrade` takes the newest of all.
LOCK_VENV = .venv-lock
LOCK_OPTIONS =
UV_VERSION = 0.13.9
UV_COMPILE = env -u UV_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS \
	$(LOCK_VENV)/bin/uv --no-config --quiet pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --no-header --no-annotate $(LOCK_OPTIONS)

help:
	@echo 'make demo     the whole pipeline on an embedded AWS (options: DEMO_OPTIONS=--keep)'
	@echo 'make test     every test (options: TEST_OPTIONS="-k exposure")'
	@echo 'make soak     seeds of the simulation, and long fuzzing (options: SEEDS=2000)'
	@echo 'make check    lint, format, types, import contracts, dead code, dependencies'
	@echo 'make format   format the code, and mend what the linter can mend'
	@echo 'make docs     write the generated parts of the documents and the JSON Schemas anew'
	@echo 'make pictures  the pictures in the documents, taken of the pages with Chromium'
	@echo 'make site     the documentation site, in site/ (its links are checked)'
	@echo 'make mutants  changes in the pure modules that no test notices (options: MUTANTS_OPTIONS="--diff network issues")'
	@echo 'make check-deployment  checkov over the Terraform and CloudFormation code (250 MB the first time)'
	@echo 'make check-policies    two linters over the policies that are deployed (60 MB the first time)'
	@echo 'make check-oldest-sdk  the functions with the oldest AWS SDK that is promised'
	@echo 'make bench    speed and memory against the floor that boto3 sets, and Cloud Custodian'
	@echo 'make package  what Terraform deploys, in dist/ (options: PACKAGE_OPTIONS="--architecture x86_64")'
	@echo 'make lock     the lock files, after a change of the dependencies (LOCK_OPTIONS=--upgrade)'
	@echo 'make venv     the virtual environment $(VENV) alone; the targets above make it when needed'
	@echo 'make venv-dynalite  the second DynamoDB of the tests, which are skipped without it (needs Node)'
	@echo 'make clean    remove the virtual environment and everything else that was built'

demo: $(STAMP)
	@$(BIN)/hammer demo $(DEMO_OPTIONS)

test: $(STAMP)
	@$(BIN)/python -m pytest -n auto --dist worksteal $(TEST_OPTIONS) tests

soak: $(STAMP)
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS)
	@GUARDS=all $(BIN)/python -m pytest -n auto -q tests/simulation/test_guards.py
	@FUZZ_EXAMPLES=20000 $(BIN)/python -m pytest -n auto -q tests/unit/test_fuzzing.py \
		tests/unit/remediation/test_remediation_property.py tests/unit/security_groups/test_exposure_oracle.py

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture
	$(BIN)/deptry $(PACKAGES)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)
	$(BIN)/python -m library.config.schema
	$(BIN)/python -m tests.readme
	$(BIN)/python -m tests.terraform_readme

pictures: $(BROWSER_STAMP)
	@$(BIN)/python -m tests.pictures

site: $(SITE_VENV)/.stamp
	@NO_MKDOCS_2_WARNING=1 $(SITE_VENV)/bin/mkdocs build --strict --quiet

mutants: $(MUTANTS_VENV)/.stamp
	@$(MUTANTS_VENV)/bin/python -m tests.mutation $(MUTANTS_OPTIONS)

check-deployment: $(CHECKOV_VENV)/.stamp
	@$(CHECKOV_VENV)/bin/checkov --config-file deployment/checkov.yaml --directory deployment

check-policies: $(POLICIES_VENV)/.stamp
	@$(POLICIES_VENV)/bin/python tests/policy_linters.py

# The lowest boto3 that pyproject.toml promises, before the one of the environment.
check-oldest-sdk: $(OLDEST_SDK)/.stamp
	@PYTHONPATH=$(OLDEST_SDK) $(BIN)/python -m pytest -n auto --quiet tests/oldest_sdk.py tests/unit/aws \
		tests/integration/identification/test_describe_failures.py tests/integration/identification/test_foreign_issues.py \
		tests/integration/identification/test_initiate_security_groups.py tests/deployment/test_sdk_data.py

bench: $(STAMP) $(CUSTODIAN_VENV)/.stamp
	@$(BIN)/python -m tests.bench --custodian $(CUSTODIAN_VENV)/bin/custodian $(BENCH_OPTIONS)

package: $(STAMP)
	@$(BIN)/python -m deployment.build $(PACKAGE_OPTIONS)

venv: $(STAMP)

# What drives a browser for tests/browser: 150 MB, so only when asked for. The browser itself is Debian's `chromium`.
venv-browser: $(BROWSER_STAMP)

# Terraform and its provider for tests/deployment: 240 MB, so only when asked for.
venv-deployment: $(DEPLOYMENT_STAMP)

# The second DynamoDB of the tests (tests/second_table.py): 10 MB from the npm registry, and no script of a package runs.
venv-dynalite: $(DYNALITE)/node_modules/.stamp

$(DYNALITE)/node_modules/.stamp: $(DYNALITE)/package-lock.json
	@cd $(DYNALITE) && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(STAMP): pyproject.toml requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Hammer needs Python 3.11 or later: make PYTHON=...' >&2; exit 1; }
	@echo 'Preparing $(VENV) (a minute the first time) ...'
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes --requirement requirements/dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEPLOYMENT_STAMP): $(STAMP) requirements/deployment-test.lock
	@$(PIP) install --require-hashes --requirement requirements/deployment-test.lock
	@touch $@

$(BROWSER_STAMP): $(STAMP) requirements/browser-test.lock
	@$(PIP) install --require-hashes --requirement requirements/browser-test.lock
	@touch $@

$(CHECKOV_VENV)/.stamp: requirements/checkov.lock
	@$(PYTHON) -m venv --clear $(CHECKOV_VENV)
	@$(CHECKOV_VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet install \
		--require-hashes --requirement requirements/checkov.lock
	@touch $@

$(CUSTODIAN_VENV)/.stamp: requirements/custodian.lock
	@$(PYTHON) -m venv --clear $(CUSTODIAN_VENV)
	@$(CUSTODIAN_VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet install \
		--require-hashes --requirement requirements/custodian.lock
	@touch $@

$(POLICIES_VENV)/.stamp: requirements/policies.lock
	@$(PYTHON) -m venv --clear $(POLICIES_VENV)
	@$(POLICIES_VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet install \
		--require-hashes --requirement requirements/policies.lock
	@touch $@

# Without dependencies: those of the environment are newer, as they may be.
$(OLDEST_SDK)/.stamp: $(STAMP) pyproject.toml
	@$(PIP) install --no-deps --upgrade --target $(OLDEST_SDK) $$($(BIN)/python -m tests.oldest_sdk)
	@touch $@

$(MUTANTS_VENV)/.stamp: pyproject.toml requirements/dev.lock requirements/mutants.lock
	@$(PYTHON) -m venv --clear $(MUTANTS_VENV)
	@$(MUTANTS_VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet install \
		--require-hashes --requirement requirements/dev.lock --requirement requirements/mutants.lock
	@touch $@

$(SITE_VENV)/.stamp: requirements/site.lock
	@$(PYTHON) -m venv --clear $(SITE_VENV)
	@$(SITE_VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet install \
		--require-hashes --requirement requirements/site.lock
	@touch $@

lock:
	@test -x $(LOCK_VENV)/bin/uv || $(PYTHON) -m venv --clear $(LOCK_VENV)
	@$(LOCK_VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet install uv==$(UV_VERSION)
	@mkdir -p requirements
	$(UV_COMPILE) --extra demo --group dev --output-file requirements/dev.lock
	$(UV_COMPILE) --extra host --constraints requirements/dev.lock --output-file requirements/host.lock
	$(subst pyproject.toml,--group lambda,$(UV_COMPILE)) --constraints requirements/dev.lock \
		--output-file requirements/lambda.lock
	$(UV_COMPILE) --extra deployment-test --constraints requirements/dev.lock \
		--output-file requirements/deployment-test.lock
	$(subst pyproject.toml,requirements/browser-test.in,$(UV_COMPILE)) --constraints requirements/dev.lock \
		--output-file requirements/browser-test.lock
	$(subst pyproject.toml,requirements/build.in,$(UV_COMPILE)) --constraints requirements/dev.lock \
		--output-file requirements/build.lock
	$(subst pyproject.toml,requirements/checkov.in,$(UV_COMPILE)) --output-file requirements/checkov.lock
	$(subst pyproject.toml,requirements/custodian.in,$(UV_COMPILE)) --output-file requirements/custodian.lock
	$(subst pyproject.toml,requirements/mutants.in,$(UV_COMPILE)) --constraints requirements/dev.lock \
		--output-file requirements/mutants.lock
	$(subst pyproject.toml,requirements/policies.in,$(UV_COMPILE)) --output-file requirements/policies.lock
	$(subst pyproject.toml,requirements/site.in,$(UV_COMPILE)) --output-file requirements/site.lock

clean:
	rm -rf $(VENV) $(LOCK_VENV) $(CHECKOV_VENV) $(CUSTODIAN_VENV) $(SITE_VENV) $(MUTANTS_VENV) $(POLICIES_VENV) $(DYNALITE)/node_modules build dist site *.egg-info .coverage .coverage.* htmlcov \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
