PYTHON ?= python3
PORT ?= 8000
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALLED := .venv/installed

# One thread: fastest for networks this small, also beside other work, and the same last digits at each run here.
export OMP_NUM_THREADS ?= 1

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

book: export CONVAC_EXPLORERS := page# explorers for the page, without a kernel's widgets
book: $(INSTALLED) ## execute every chapter and build the book in _build/html; no warning passes
	$(BIN)/python tools/build_book.py . --all -W -n --keep-going

pdf: $(INSTALLED) ## print the built book as one PDF in _build, by Chromium
	@test -f _build/html/index.html || $(MAKE) book
	$(BIN)/python tools/print_book.py

downloads: ## link the book's zip, and the PDF if there is one, in the footer of the built pages, for a site
	@$(PYTHON) tools/downloads.py

test: $(INSTALLED) ## run the tests, the docstrings' examples and the chapters
	$(BIN)/python -m pytest --nbval --numprocesses auto --maxprocesses 4

lint: $(INSTALLED) ## check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

read: $(INSTALLED) ## serve the book on http://localhost:8000 (PORT=... for another port)
	@test -f _build/html/index.html || $(MAKE) book
	@echo "The book: http://localhost:$(PORT)  (Ctrl+C to stop)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

lab: $(INSTALLED) ## open the chapters in JupyterLab
	$(BIN)/python -m jupyterlab book/intro.ipynb

address: ## write where the book is published into every file: URL=https://github.com/owner/name, or none; TAG=...
	@$(PYTHON) tools/address.py "$$URL" "$$TAG"

notebooks: $(INSTALLED) ## execute every chapter in place and store its outputs
	$(BIN)/python tools/execute_notebooks.py

mutants: .venv/checked ## break the library in one place, of the theory in MOST (650), and count what the tests notice; go on where it stopped
	$(BIN)/python tools/mutants.py --most $(or $(MOST),650)

fuzz: $(INSTALLED) ## feed 100,000 altered files and command lines to every reader of outside bytes
	$(BIN)/python tests/stress/fuzz.py --record

checks: .venv/checked ## find insecure calls with bandit, and licences that do not fit
	$(BIN)/bandit -q -c pyproject.toml -r convac_lib tools
	@mkdir -p _build
	$(BIN)/pip-licenses --output-file _build/licences.txt

tested: $(INSTALLED) ## write the figures of the last make test, make mutants and make fuzz into the page of tests
	$(BIN)/python tools/tested.py

student: $(INSTALLED) ## write the chapters without their solutions in _build/student
	$(BIN)/python tools/student_edition.py

bench: $(INSTALLED) ## time the exact engine, the layer, training, explorers and what people wait for, and train ConvACs; on an idle machine
	$(BIN)/python benchmarks/rank.py
	$(BIN)/python benchmarks/filling.py
	$(BIN)/python benchmarks/layer.py
	$(BIN)/python benchmarks/images.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/explorer.py
	$(BIN)/python benchmarks/engine_js.py
	$(BIN)/python benchmarks/waits.py

portable: $(INSTALLED) ## run chapters and tests as other processors would; half an hour (OPTIONS=--quick for the chapters alone)
	$(BIN)/python tools/portable.py $(OPTIONS)

clean: ## remove all that the other commands made
	rm -rf .venv _build .pytest_cache .hypothesis .ruff_cache .mypy_cache convac_lib.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/checked: $(INSTALLED) requirements-checks.txt
	$(BIN)/python -m pip install -r requirements-checks.txt
	@touch .venv/checked

# Matplotlib lists the fonts when first imported; done here, no chapter reports it.
$(INSTALLED): requirements.txt pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) was not found; install Python 3.11 or newer, or name it: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python %d.%d is too old; install 3.11 or newer, or name it: make PYTHON=/path/to/python" % sys.version_info[:2] or 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -r requirements.txt
	$(BIN)/python -m pip install --no-deps --no-build-isolation --editable .
	$(BIN)/python -c "import matplotlib.font_manager"
	@touch $(INSTALLED)

.PHONY: help book pdf downloads test lint read lab address notebooks mutants fuzz checks tested student bench portable clean
