# Everything runs in .venv, built from the hashed lock. `make` alone lists the targets.
# Options: TIER=smoke|lesson|full  NAME=folder-in-runs  DATASET=auto|cifar10|cifar100|sample|a folder
#          PARAMS="-p repeats 2 -p image_size 32"  CIFAR10_DIR=folder with CIFAR-10
#          CELLS_DIR=folder with the microscope pictures of lesson 06
#          SWEEP=file in sweeps/  OPTIONS="--workers 4", "--scheduler tcp://…" or "--slurm settings.yml"
#          MODEL=, IMAGES= and OUT= for shards
#          SUBMISSIONS=folder of notebooks, to grade; ROSTER=roster.csv of a homework
#          STUDENTS=file, a student a line, for homework
#          AGAIN=1 on other data than the last `make test`: without tests that data change nothing in
#          PYTHON=interpreter to build the environments with
PYTHON ?=
TIER ?= lesson
NAME ?= $(TIER)
DATASET ?=
PARAMS ?=
SWEEP ?= sweeps/flip_seeds.yml
OPTIONS ?=
export MATPLOTLIBRC := $(CURDIR)/notebooks

BIN := .venv/bin
READY := .venv/ready
BENCH := .venv-bench
SITE := .venv-site
# Neither these nor pip are to stop at a reader's PYTHONWARNINGS=error.
RUNS := $(BIN)/python -W ignore -m tta_helpers.workbook.runs
SWEEPS := $(BIN)/python -W ignore -m tta_helpers.workbook.sweeps
JAX := jax==0.10.2 jaxlib==0.10.2 opt_einsum==3.4.0
# Tests that take no picture but those that they make themselves: data change nothing in them.
OWN := arms capstone chain clusters command course course_boxes course_pages docs elsewhere \
    expecting fuzz grading homework imagenet_c imagenet_c_input kernels makefile merging_benchmark \
    nbgrader shards site slides submissions survival sweeps wheel workflows
# And others in which no backend takes part, or that run the workbook: one backend is enough.
ONCE := $(OWN) annotated boxes corruptions manner metrics parameters plots policies progress readme \
    real real_detector runs
ignored = $(foreach name,$(1),--ignore tests/test_$(name).py)
PYTEST := $(BIN)/python -m pytest

.PHONY: help run sweep test test-data soak test-backends audit lab bench stream shards real publish \
    course course-data expected homework grade docs site site-test lab-test try-it clean

help:
	@echo "make run      execute the notebooks (TIER=$(TIER), DATASET=$(or $(DATASET),auto)) into runs/$(NAME)"
	@echo "make sweep    execute the runs of $(SWEEP), many at a time, and their report"
	@echo "make test     run every check"
	@echo "make test-data   the whole workbook on class folders of many shapes (half an hour)"
	@echo "make soak     every fault, also those that take long, and their table in docs/faults.md"
	@echo "make test-backends   the package's tests with JAX under Keras"
	@echo "make wheel    build the package, and try it in an empty environment on each backend"
	@echo "make audit    look the locked packages up among known vulnerabilities"
	@echo "make lab      open JupyterLab at notebooks/"
	@echo "make bench    measure what TTA costs on this machine, into benchmarks/results and docs/"
	@echo "make stream   a million images through predict_views, into docs/models.md"
	@echo "make shards   predict MODEL's views of IMAGES into OUT, in shards on many workers"
	@echo "make real     TTA on networks that others trained, fetched and judged, into docs/"
	@echo "make publish  take runs/$(NAME) into the committed notebooks and README.md"
	@echo "make course   write the learner's copies, quizzes and guide of course/ from their sources"
	@echo "make course-data  what the exercises take, from runs/$(NAME), a lesson run on the sample"
	@echo "make expected   take the runs of a sweep over seeds, runs/$(NAME), into the guide's ranges"
	@echo "make homework  a notebook for each of STUDENTS, with numbers of their own, into runs/homework"
	@echo "make grade    run the notebooks handed in to SUBMISSIONS, and write grades and feedback"
	@echo "make docs     write docs/api.md and the modules in docs/architecture.md from the code"
	@echo "make site     build the site from notebooks and docs/ into build/site"
	@echo "make site-test   look at the built site in Chromium, page by page"
	@echo "make lab-test    a lesson, a panel and an exercise in JupyterLab in Chromium"
	@echo "make try-it   fit the networks of the site's page \"Try it\" and store what they answer"
	@echo "make clean    remove the environments and caches; runs/ and downloads stay"

run: $(READY)
	@$(RUNS) run --tier "$(TIER)" --name "$(NAME)" $(if $(DATASET),--dataset "$(DATASET)") $(PARAMS)

sweep: $(READY)
	@$(SWEEPS) run "$(SWEEP)" $(OPTIONS)
	@$(SWEEPS) report "$(basename $(notdir $(SWEEP)))"

# The smoke tier runs on the data that are found; where those are not the sample, on the sample too.
test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/cell_lengths.py
	$(PYTEST) tests $(if $(AGAIN),$(call ignored,$(OWN)))
	$(RUNS) run --tier smoke --name smoke
	$(BIN)/python tests/executed.py runs/smoke --committed
	$(PYTEST) --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg runs/smoke/[0-9]*.ipynb
	@grep -q '"name": "sample"' runs/smoke/01_baseline_cnn.json || { \
	    $(RUNS) run --tier smoke --name smoke_sample --dataset sample && \
	    $(BIN)/python tests/executed.py runs/smoke_sample --committed; }

test-data: $(READY)
	$(PYTEST) tests/datasets -o norecursedirs=

soak: $(READY)
	$(PYTEST) tests -o norecursedirs="datasets site" --faults-into docs/faults.md

# JAX lies aside, so that the environment stays that of the lock; what else it needs is in there.
test-backends: $(READY)
	@$(call quietly,$(BIN)/python -m pip install --upgrade --target build/jax --no-deps $(JAX))
	PYTHONPATH="$(CURDIR)/build/jax" KERAS_BACKEND=jax $(PYTEST) tests $(call ignored,$(ONCE))

# As a reader installs it: the wheel, what it asks for, and one backend, in the locks' versions.
wheel: $(READY)
	@$(BIN)/python -W ignore tests/wheel/try_out.py

# --strict: a package that could not be looked up is a failure too.
audit: $(READY)
	$(BIN)/python -m venv --clear build/audit
	@$(call quietly,build/audit/bin/python -m pip install pip-audit)
	build/audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements.txt

# Kernels start in notebooks/, where a folder named from here would be another.
define absolute
case "$$$(1)" in \
    "~" | "~/"*) $(1)="$$HOME$${$(1)#?}" ;; \
    "" | /* | "~"*) ;; \
    *) $(1)="$$PWD/$$$(1)" ;; \
esac
endef

lab: $(READY)
	@$(call absolute,CIFAR10_DIR); $(call absolute,CELLS_DIR); \
	$(call absolute,TTA_CACHE); $(call absolute,KERAS_HOME); \
	$(BIN)/jupyter lab --FileContentsManager.preferred_dir=notebooks

bench: $(READY) $(BENCH)/ready
	@$(BIN)/python -m benchmarks $(if $(DATASET),--dataset "$(DATASET)")

real: $(READY)
	@$(BIN)/python -m benchmarks.real $(if $(DATASET),--dataset "$(DATASET)")

stream: $(READY)
	@$(BIN)/python -m benchmarks.stream

shards: $(READY)
	@$(BIN)/python -W ignore -m tta_helpers.workbook.shards "$(MODEL)" "$(IMAGES)" "$(OUT)" $(OPTIONS)

publish: $(READY)
	@$(RUNS) publish --name "$(NAME)"
	@$(BIN)/python -m course.build

course: $(READY)
	@$(BIN)/python -m course.build

course-data: $(READY)
	@$(BIN)/python -W ignore -m course.predicting "$(NAME)"

expected: $(READY)
	@$(BIN)/python -W ignore -m course.expecting "$(NAME)"
	@$(BIN)/python -m course.build

homework: $(READY)
	@$(BIN)/python -W ignore -m course.homework "$(STUDENTS)" $(OPTIONS)

grade: $(READY)
	@$(BIN)/python -W ignore -m course.grade "$(SUBMISSIONS)" $(if $(ROSTER),--roster "$(ROSTER)") $(OPTIONS)

docs: $(READY)
	@$(BIN)/python docs/write.py

# The site needs neither Keras nor .venv: nothing is executed, and what it shows is committed.
site: $(SITE)/ready
	@$(SITE)/bin/python -W ignore docs/site/build.py

site-test: site
	$(SITE)/bin/python -m pytest -c tests/site/pytest.ini tests/site --ignore tests/site/test_lab.py

lab-test: $(READY) $(SITE)/ready
	@echo "JupyterLab in Chromium: two minutes, and two more where no smoke run on the sample is ..."
	$(SITE)/bin/python -m pytest -c tests/site/pytest.ini tests/site/test_lab.py

try-it: $(READY)
	@$(RUNS) run --dataset sample --name sample
	@$(BIN)/python -W ignore docs/site/tryit_data.py runs/sample

clean:
	rm -rf .venv $(BENCH) $(SITE) data/cache .pytest_cache .ruff_cache *.egg-info

# Run pip with its output in a file, shown only if it fails. On a terminal a line counts the packages.
define quietly
mkdir -p build; ( $(1) ) > build/pip.log 2>&1 & pip=$$!; \
	trap 'kill $$pip 2>/dev/null' INT TERM; \
	while [ -t 1 ] && kill -0 $$pip 2>/dev/null; do \
	    printf '\r  %s packages collected ' "$$(grep -c '^Collecting' build/pip.log)"; sleep 1; \
	done; \
	[ ! -t 1 ] || printf '\r%40s\r' ''; \
	wait $$pip || { cat build/pip.log >&2; false; }
endef

# .venv/ready holds a checksum of what .venv was built from. Only where it is empty, because somebody
# touched it, do dates count: a file from tomorrow would have .venv built again at every call.
LOCK := $(shell cat requirements.txt pyproject.toml | cksum)
BUILT := $(shell if [ -s $(READY) ]; then cat $(READY); else echo by date; fi)
ifneq ($(shell [ -x $(BIN)/python ] && echo there),there)
.PHONY: $(READY)
else ifeq ($(BUILT),by date)
$(READY): requirements.txt pyproject.toml
else ifneq ($(BUILT),$(LOCK))
.PHONY: $(READY)
endif

# TensorFlow has wheels for Python 3.11 to 3.13, so the first interpreter of those is taken.
define find_python
python=""; \
for candidate in $(if $(strip $(PYTHON)),"$(PYTHON)",python3 python3.13 python3.12 python3.11 python); do \
    if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
    then python="$$candidate"; break; fi; \
done; \
if [ -z "$$python" ]; then \
    echo "error: no Python 3.11, 3.12 or 3.13 found, the versions that TensorFlow has packages for." >&2; \
    echo "Install one, or name it: make run PYTHON=/path/to/python3.12" >&2; exit 1; \
fi
endef

$(READY) $(SITE)/ready: export PYTHONWARNINGS :=

$(READY):
	@case "$$PWD" in *:*) \
	    echo "error: $$PWD cannot hold a virtual environment, because of the colon in its path;" \
	        "move the workbook." >&2; exit 1 ;; \
	esac; \
	if [ -L .venv ]; then \
	    echo "error: .venv is a link, and building it anew would empty what it leads to. Remove the" \
	        "link, or bring what it leads to up to date." >&2; exit 1; \
	fi; \
	$(find_python); \
	echo "Building .venv with $$("$$python" --version) (two or three minutes, once) ..."; \
	"$$python" -m venv --clear .venv
	@$(call quietly,$(BIN)/python -m pip install --retries 2 --require-hashes -r requirements.txt && \
	    $(BIN)/python -m pip install --no-deps --no-build-isolation -e .) || { \
	    echo "error: the packages could not be installed. Is the package index within reach?" >&2; \
	    echo "Behind a proxy or a mirror, set HTTPS_PROXY or PIP_INDEX_URL and try again." >&2; exit 1; \
	}
	@cat requirements.txt pyproject.toml | cksum > $(READY)

$(SITE)/ready: docs/site/requirements.txt
	@$(find_python); echo "Building $(SITE) with Sphinx (a minute, once) ..."; \
	"$$python" -m venv --clear $(SITE)
	@$(call quietly,$(SITE)/bin/python -m pip install --retries 2 --require-hashes \
	    -r docs/site/requirements.txt) || { \
	    echo "error: the packages could not be installed. Is the package index within reach?" >&2; \
	    rm -rf $(SITE); exit 1; }
	@touch $(SITE)/ready

# PyTorch, ttach and JAX lie over .venv in an environment that only the benchmarks use. Without it
# they measure the rest.
PURELIB := -c 'import sysconfig; print(sysconfig.get_path("purelib"))'
$(BENCH)/ready: benchmarks/requirements.txt $(READY)
	@echo "Building $(BENCH) with PyTorch and JAX ..."
	@$(BIN)/python -m venv --clear $(BENCH) && \
	{ $(call quietly,$(BENCH)/bin/python -m pip install --retries 1 --no-deps --require-hashes \
	    -r benchmarks/requirements.txt); } && \
	$(BIN)/python $(PURELIB) > "$$($(BENCH)/bin/python $(PURELIB))/workbook.pth" && \
	touch $(BENCH)/ready || { \
	    rm -rf $(BENCH); echo "note: it could not be built; PyTorch and JAX are left out." >&2; }
