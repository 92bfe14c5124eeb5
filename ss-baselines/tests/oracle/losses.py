"""Reference values of src/weighted.rs and src/reed.rs: python3 tests/oracle/losses.py (PyTorch, float64)."""
import torch
import torch.nn.functional as F

print("torch", torch.__version__)
logits = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
print("losses", F.cross_entropy(logits, torch.tensor([0, 0, 1]), reduction="none").tolist())

logits = torch.tensor([[2.0, 0.0, -1.0], [0.5, 1.5, 0.0], [3.0, -2.0, 1.0], [0.1, 0.2, 0.3]],
                      dtype=torch.float64, requires_grad=True)
labels = torch.tensor([0, 0, 1, 2])
onehot = F.one_hot(labels, 3).double()


def bootstrapped(hard, beta, stop):
    log_q = F.log_softmax(logits, dim=1)
    z = F.one_hot(log_q.argmax(1), 3).double() if hard else log_q.exp()
    z = z.detach() if stop else z
    return -((beta * onehot + (1 - beta) * z) * log_q).sum(1).mean()


for name, arguments in [("soft", (False, 0.95, False)), ("soft stopped", (False, 0.95, True)),
                        ("hard", (True, 0.8, False))]:
    loss = bootstrapped(*arguments)
    (grad,) = torch.autograd.grad(loss, logits)
    print(name, repr(loss.item()), [round(v, 9) for v in grad.flatten().tolist()])
