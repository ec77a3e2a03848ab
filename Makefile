# Targets for people; each sets up what it needs. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
RUN := .venv/bin/python

# A build log or a test must not depend on the caller's MLflow.
unexport MLFLOW_TRACKING_URI MLFLOW_REGISTRY_URI

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 17

.PHONY: setup
setup: ## set up .venv with the jenkins-mlflow command and MLflow
	@scripts/setup.sh

.PHONY: setup-dev
setup-dev:
	@scripts/setup.sh dev

.PHONY: demo
demo: setup ## train, select, promote and clean up heart-disease models in .demo/
	@$(RUN) scripts/demo.py

.PHONY: test
test: ## test the commands, the pages and the Jenkins steps; the last line counts both halves
	@rm -rf build/pytest.xml tests/groovy/target/surefire-reports
	@# "make", not its variable: a dry run would run the whole line
	@status=0; \
	make test-python || status=1; \
	make test-groovy || status=1; \
	$(RUN) scripts/count_tests.py Python=build/pytest.xml 'Groovy=$(SUREFIRE)' || status=1; \
	exit $$status

PYTEST := $(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder
PROMISES := tests/faults tests/security
TESTS := tests/process tests/server tests/browser tests/unit
RANDOM_TESTS := tests/process tests/server tests/security
SUREFIRE := tests/groovy/target/surefire-reports/TEST-*.xml

.PHONY: test-python
test-python: setup-dev ## test the Python package against real MLflow servers
	@mkdir -p build
	$(PYTEST) $(TESTS) --junitxml=build/pytest.xml $(ARGS)

.PHONY: test-unit
test-unit: setup-dev ## test what needs no server and no browser, in about a minute
	$(RUN) -m pytest -n 2 --dist loadfile tests/unit $(ARGS)

.PHONY: test-random
test-random: setup-dev ## test in another order each time: no test may need another, and which (ARGS='--randomly-seed=N' repeats it)
	$(PYTEST) -p randomly $(RANDOM_TESTS) $(ARGS)

.PHONY: test-promises
test-promises: setup-dev ## try to break the promises: kills, foreign hands, accounts, other hosts, a sample of each
	@mkdir -p build
	$(PYTEST) $(PROMISES) --junitxml=build/pytest-promises.xml $(ARGS)

.PHONY: coverage
coverage: setup-dev ## measure which lines and branches the Python tests run
	@mkdir -p build
	$(PYTEST) --cov --cov-report=term-missing --cov-report=xml:build/coverage.xml $(ARGS)

.PHONY: test-faults
test-faults: setup-dev ## break every request of every command in every way, race, fall asleep, on all stores (hours)
	-@scripts/ensure-faketime.sh
	ALL_FAULTS=1 $(RUN) -m pytest tests/unit tests/faults tests/security tests/server/test_history.py tests/server/test_migrate.py tests/server/test_ingress.py $(ARGS)

.PHONY: test-matrix
test-matrix: setup-dev ## test promotion on MLflow servers from 2.22 to 3.17, and that both doors do the same (7 environments)
	ALL_FAULTS=1 $(RUN) -m pytest tests/matrix tests/server/test_contract.py $(ARGS)

.PHONY: test-acceptance
test-acceptance: setup-dev ## test the library on a real Jenkins (JENKINS_URL, JENKINS_USER, JENKINS_TOKEN)
	$(RUN) -m pytest tests/acceptance $(ARGS)

.PHONY: test-groovy
test-groovy: setup-dev ## test the Jenkins steps under Jenkins' own interpreter
	@scripts/ensure-java.sh
	mvn --batch-mode --quiet --file tests/groovy/pom.xml test $(ARGS)

.PHONY: lint
lint: setup-dev ## check format, style, types, imports, shell files, generated files, pinned hashes and the Groovy sources
	$(RUN) -m ruff format --check
	$(RUN) -m ruff check
	$(RUN) -m mypy
	.venv/bin/shellcheck $$(git ls-files '*.sh') .ci/run
	$(RUN) .venv/bin/lint-imports --no-logo --no-cache
	$(RUN) scripts/manifest.py --check
	$(RUN) scripts/steps.py --check
	$(RUN) scripts/retention_picture.py --check
	$(RUN) scripts/pins.py
	$(RUN) -m cogapp --check docs/*.md
	tests/groovy/lint.sh

.PHONY: format
format: setup-dev ## format the Python sources and apply safe fixes
	$(RUN) -m ruff check --fix-only --quiet
	$(RUN) -m ruff format

.PHONY: docs
docs: setup-dev ## paste the current help, keys and messages into docs/
	$(RUN) -m cogapp -r docs/*.md
	$(RUN) scripts/retention_picture.py

.PHONY: pictures
pictures: ## draw docs/architecture.svg and docs/security.svg from their .dot files (needs Graphviz)
	for picture in architecture security; do dot -Tsvg docs/$$picture.dot -o docs/$$picture.svg; done

.PHONY: bench
bench: setup-dev ## measure the targets, the snapshot, promotion on an affected server, the runner's environment, migration
	@$(RUN) benchmarks/targets.py
	@$(RUN) benchmarks/snapshot.py $(ARGS)
	@$(RUN) benchmarks/overhead.py
	@$(RUN) benchmarks/affected.py
	@$(RUN) benchmarks/environments.py
	@$(RUN) benchmarks/migration.py

.PHONY: jenkins-up
jenkins-up: ## start a Jenkins with this library and an MLflow server, in containers (needs Docker, JENKINS_ADMIN_PASSWORD)
	docker compose --file docker/compose.yaml up --build --detach --wait

.PHONY: jenkins-down
jenkins-down: ## stop them and forget what they hold
	docker compose --file docker/compose.yaml down --volumes

.PHONY: manifest
manifest: ## list the files that Jenkins ships to agents, after a change in resources/
	python3 scripts/manifest.py

.PHONY: steps
steps: setup-dev ## write the steps' parameters and pages, after a change of the command line
	$(RUN) scripts/steps.py

.PHONY: mutants
mutants: ## change the pure plans on purpose and count what no test notices (ARGS='selection/plan.py')
	@scripts/setup.sh maintain
	$(RUN) scripts/mutants.py $(ARGS)

.PHONY: release
release: ## check, build, install and run what would be published; says how to tag it, publishes nothing
	@scripts/setup.sh maintain
	@$(MAKE) lint
	$(RUN) scripts/release.py

.PHONY: pin
pin: ## pin all requirements anew, after a change of a requirements.in (needs uv)
	scripts/pin.sh

.PHONY: clean
clean: ## remove everything that the other targets made
	rm -rf .venv .tools .demo .test-envs build dist tests/groovy/target tests/groovy/lint/target resources/*.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find resources scripts tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +
