# Two commands do it all: `make demo` and `make test`. `make` alone lists the rest.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
LINK := .collections/ansible_collections/bytebot/production
# What looks for what a screen reader or a keyboard would stumble over.
AXE := 4.14.1
AXE_SHA256 := e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
# Inputs that come with the fault that is in, if any.
FAULT = $(addprefix -e @,$(wildcard .sandbox/faults/variables.json))
export ANSIBLE_HOME ?= $(CURDIR)/.ansible
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help demo verify sign approve gate ready fault heal faults-seen sabotage conformance soak test test-unit report-seen test-integration test-sabotage benchmark awx lint sanity dist sandbox-build sandbox-up sandbox-full sandbox-down sandbox-status sandbox-reset sandbox-scale clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: sandbox-up ## raise the sandbox, deploy to it, show what was judged
	@ansible-playbook deploy.yml $(FAULT)
	@echo 'What only people can say is pending. Here demo signers may say it, who count in a sandbox only:'
	@echo '  make sign     asks for all that waits, signs it and takes it in; make verify counts it'
	@echo '  make approve  asks for the approval of the release, with name and title; it is refused unless the gate sign_off is open'
	@echo 'Elsewhere people sign with keys of their own, and nothing is approved by itself (docs/statements.md).'

verify: $(VENV)/.ready $(LINK) ## judge what runs in the sandbox, and deploy nothing
	@ansible-playbook playbooks/verify.yml $(FAULT)

sign: $(VENV)/.ready $(LINK) ## have all that waits for a signature signed by the sandbox's demo signers
	@$(PY) scripts/sign

approve: $(VENV)/.ready $(LINK) ## have the release approved by the sandbox's demo approver, where the gate sign_off is open
	@$(PY) scripts/sign approval

fault: $(VENV)/.ready ## put a fault into the sandbox: make fault NAME=service_selector_typo
	@$(if $(NAME),$(PY) -m sandbox fault $(NAME),$(PY) -m sandbox faults)

heal: $(VENV)/.ready $(LINK) ## take the fault out again
	@$(PY) -m sandbox heal

faults-seen: sandbox-full ## put in every fault that can be seen by itself, one by one, and write docs/faults.md: GO_ON=1 leaves out what was right
	@$(PY) -m tests.seen $(if $(GO_ON),--go-on)

sabotage: sandbox-up ## put in every fault, one by one, and see that it turns its controls red: SECTION=… SINCE=REVISION TOGETHER=N SEED=N
	@$(PY) -m tests.sabotage $(if $(SECTION),--section $(SECTION)) $(if $(SINCE),--since $(SINCE)) \
	  $(if $(TOGETHER),--together $(TOGETHER)) $(if $(SEED),--seed $(SEED))

gate: $(VENV)/.ready $(LINK) ## decide the gate of the sandbox's last run again; prints 0 open, 2 shut, 3 not assessed (make itself: 0 or 2)
	@$(PY) scripts/gate sandbox $(if $(STAGE),--stage $(STAGE)); status=$$?; echo "scripts/gate: $$status (0 open, 2 shut, 3 not assessed, 1 unusable)"; exit $$status

ready: $(VENV)/.ready $(LINK) ## what playbooks need that run from this checkout, against the sandbox or another cluster

soak: sandbox-full ## an hour under a steady load, in which nothing may restart and nothing may grow: MINUTES=…
	@ansible-playbook deploy.yml -e @tests/soak/variables.yml
	@$(PY) -m tests.soak $(if $(MINUTES),--minutes $(MINUTES))

test: $(VENV)/.ready $(LINK) ## everything: lint, sanity, unit and integration tests, one fault for each section
	@$(PY) scripts/stages.py lint sanity sandbox-build test-unit sandbox-full test-integration test-sabotage

test-unit: $(VENV)/.ready $(LINK) ## unit tests: no cluster; as root it installs PostgreSQL and Redis, and what is skipped for want of a program is listed
	@$(PY) -m tests.unit.stores
	@$(PY) -m pytest -n auto -rfEs tests/unit

report-seen: $(VENV)/.ready $(LINK) .cache/axe/package/axe.min.js ## the report in Chromium: axe, keys, filter, print, hostile texts
	@$(PY) -m pytest tests/unit/collection/test_report_browser.py

test-integration: dist $(LINK) ## playbooks against the sandbox, which must be up
	@$(PY) -m pytest tests/integration

conformance: $(VENV)/.ready $(LINK) ## the contract, asked of what is deployed in the sandbox, which must be up: EXAMPLES=… for more of each kind
	@CONFORMANCE_EXAMPLES=$(or $(EXAMPLES),2) $(PY) -m pytest tests/integration/test_conformance.py

test-sabotage: $(VENV)/.ready $(LINK) ## one fault for each section, in the sandbox, which must be up
	@$(PY) -m tests.sabotage --smoke --fresh

benchmark: $(VENV)/.ready $(LINK) ## helm_release against kubernetes.core.helm and helm, in the sandbox, which must be up: NAME=helm4.noop for one case
	@$(PY) -m tests.benchmark $(NAME)

awx: $(VENV)/.ready $(LINK) ## what AWX is told, made by the modules of awx.awx against a stand-in for its API: no AWX, no cluster
	@$(PY) -m pytest tests/awx

lint: $(VENV)/.ready $(LINK) ## ruff, mypy, yamllint, ansible-lint, licences, changelog
	@scripts/lint

sanity: dist ## ansible-test sanity on the unpacked tarball
	@scripts/sanity

dist: $(VENV)/.ready ## build the collection's tarball and unpack it below build/
	@scripts/dist

sandbox-up: $(VENV)/.ready $(LINK) ## raise the sandbox (builds what is missing): PROFILE=full for all of it, small for the least; else as it was
	@$(if $(PROFILE),SANDBOX_PROFILE=$(PROFILE) )$(PY) -m sandbox up

sandbox-build: $(VENV)/.ready $(LINK) ## build all that the sandbox needs, and start nothing
	@SANDBOX_PROFILE=full $(PY) -m sandbox build

sandbox-full: # what the tests need
	@$(MAKE) --no-print-directory sandbox-up PROFILE=full

sandbox-down: $(VENV)/.ready ## stop the sandbox and keep its data
	@$(PY) -m sandbox down

sandbox-status: $(VENV)/.ready ## say what runs, and what an earlier sandbox left behind
	@$(PY) -m sandbox status

sandbox-reset: $(VENV)/.ready ## stop the sandbox and delete its data; built binaries stay
	@$(PY) -m sandbox reset

sandbox-scale: $(VENV)/.ready ## fill the cluster with 500 nodes and 10000 pods that only the API knows: WAY=down removes them
	@$(PY) -m sandbox scale $(or $(WAY),up) $(SIZE)

clean: ## remove what was built here, except the sandbox
	@rm -rf build .collections .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.ready: requirements.txt requirements-dev.txt sandbox/app/requirements.txt sandbox/pods/requirements.txt scripts/venv
	@scripts/venv $(VENV)
	@touch $@

$(LINK):
	@mkdir -p $(dir $@) && ln -sfn ../../.. $@

.cache/axe/package/axe.min.js:
	@mkdir -p .cache/axe && cd .cache/axe && npm pack --silent axe-core@$(AXE) > /dev/null && \
	  echo "$(AXE_SHA256)  axe-core-$(AXE).tgz" | sha256sum --check --quiet && tar xzf axe-core-$(AXE).tgz package/axe.min.js
