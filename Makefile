# `make run` starts everything with demo data; `make test` runs every test. `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run test soak fuzz check test-oracles bench demo-info pictures format lock translations setup setup-dev setup-oracles clean mutants

# The first of these that is Python 3.11 or newer; PYTHON=/path/to/python chooses another.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv/bin

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: setup ## start web, worker and simulator with demo data (PORT, SIMULATOR_PORT, DUTYBELL_HOME, DEMO=0)
	@$(VENV)/python scripts/run.py

test: setup-dev ## run every test (TESTS=path and ARGS=… narrow it down)
	@sh scripts/system_packages.sh
	@$(VENV)/python scripts/translations.py compile
	$(VENV)/python -m pytest -n logical --dist loadfile --ignore=tests/oracles $(ARGS) $(TESTS)

check: setup-dev ## style, types, templates, translations, vendored files, secrets
	@$(VENV)/python scripts/check.py

soak: setup-dev ## run every fault large and with several seeds, print a table (MINUTES, SEED, SEEDS; ARGS narrows it down)
	@sh scripts/system_packages.sh
	@$(VENV)/python scripts/translations.py compile
	@MINUTES="$(MINUTES)" SEED="$(SEED)" SEEDS="$(SEEDS)" $(VENV)/python -m tests.faults.soak $(ARGS)

fuzz: setup-dev ## try every operation of the API with many made-up requests (EXAMPLES for each)
	FUZZ_EXAMPLES="$(or $(EXAMPLES),100)" $(VENV)/python -m pytest tests/web/test_api_fuzz.py -q --show-capture=no $(ARGS)

test-oracles: setup-dev setup-oracles ## compare our signatures and ciphers with those of other implementations
	$(VENV)/python -m pytest tests/oracles $(ARGS)

mutants: setup-dev ## make mistakes on purpose in a copy of the tree, and see that the tests notice each of them
	$(VENV)/python -m tests.mutations

bench: setup-dev ## measure against yardsticks on the same machine (PARTS="press intake", ARGS="--quick --postgres")
	$(VENV)/python -m bench $(PARTS) $(ARGS)

demo-info: setup ## print one JSON object about the running demo, for programs
	@$(VENV)/python -m demo info

pictures: setup-dev ## make README's pictures and the wizard's icons anew, from the demo that runs
	@$(VENV)/python -m scripts.pictures

format: setup-dev ## rewrite the code in the project's style
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

translations: setup-dev ## collect sentences into the catalogue and compile it
	$(VENV)/python scripts/translations.py update

lock: ## pin the requirements again, with hashes (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --upgrade requirements.in -o requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --upgrade requirements-dev.in -o requirements-dev.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --upgrade requirements-oracles.in -o requirements-oracles.txt

setup: ## create the environment and install what the product runs on
	@$(if $(PYTHON),,$(error Python 3.11 or newer is needed; install it or say PYTHON=/path/to/python))$(PYTHON) scripts/setup.py run

setup-dev:
	@$(if $(PYTHON),,$(error Python 3.11 or newer is needed; install it or say PYTHON=/path/to/python))$(PYTHON) scripts/setup.py dev

setup-oracles:
	@$(if $(PYTHON),,$(error Python 3.11 or newer is needed; install it or say PYTHON=/path/to/python))$(PYTHON) scripts/setup.py oracles

clean: ## remove environments and caches; data under var/ stays
	rm -rf .venv .venv-oracles .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
